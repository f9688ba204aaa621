#!/usr/bin/env bash
# Make a Kafka image without any registry: busybox, this machine's Java, and the jars that Maven resolves.
# usage: tests/images/kafka/build.sh [NAME]   (needs busybox-static, Java, Maven, and a Docker engine)
set -euo pipefail
cd "$(dirname "$0")/../../.."
name="${1:-localhost/southbound-kafka:4.4.0}"
python="${PYTHON:-.venv/bin/python}"
here=tests/images/kafka
root="$(mktemp -d)"
trap 'rm -rf "$root"' EXIT

add_folders() {
    mkdir -p "$root"/{bin,tmp,opt/java,opt/kafka/libs,opt/kafka/config,etc/kafka/docker,mnt/shared/config}
    mkdir -p "$root"/var/lib/kafka/data
    chmod 1777 "$root/tmp"
    echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
    echo '127.0.0.1 localhost' >"$root/etc/hosts"
}

add_shell() {
    cp "$(command -v busybox)" "$root/bin/busybox"
    for applet in $(busybox --list); do
        [ "$applet" = busybox ] || ln -sf busybox "$root/bin/$applet"
    done
}

add_java() {
    local home
    home="$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")"
    # Debian's Java is full of links into /etc, some of them dangling.
    tar -C "$home" -ch --ignore-failed-read --exclude='*.zip' --exclude=ct.sym bin/java lib conf 2>/dev/null |
        tar -C "$root/opt/java" -x
    find "$root/opt/java" -type f \( -name "*.so" -o -name java \) -exec ldd {} + 2>/dev/null |
        grep -oE '/[^ ]+' | grep -vE "^$root|:$" | sort -u |
        while read -r library; do
            [ ! -e "$library" ] || install -D "$(readlink -f "$library")" "$root$library"
        done
}

add_kafka() {
    local jars
    jars="$("$python" -c 'import sys; from southbound.broker.jars import ensure_jars
print(ensure_jars(lambda said: print(said, file=sys.stderr)))')"
    cp -p "$jars"/*.jar "$root/opt/kafka/libs/"
    "$python" -c 'from southbound.broker.node_settings import properties_text, node_settings
settings = node_settings(port=9092, controller_port=9093, data="/var/lib/kafka/data", listen="0.0.0.0")
print(properties_text(settings), end="")' >"$root/etc/kafka/docker/server.properties"
    cp "$here/log4j2.yaml" "$root/etc/kafka/docker/log4j2.yaml"
    cp "$here/log4j2.yaml" "$root/etc/kafka/docker/tools-log4j2.yaml"
    cp "$here/entrypoint.sh" "$root/entrypoint.sh"
}

add_folders
add_shell
add_java
add_kafka
# Imported, not built: a root file system and its entry point are all there is to say.
tar -C "$root" --owner=0 --group=0 -c . | docker import \
    --change 'ENTRYPOINT ["/bin/sh", "/entrypoint.sh"]' \
    --change 'ENV PATH=/bin:/opt/java/bin LANG=C.UTF-8' --change 'EXPOSE 9092' - "$name" >/dev/null
echo "$name"
