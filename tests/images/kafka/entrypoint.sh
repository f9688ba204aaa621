#!/bin/sh
# Start Kafka by the contract of the official image: the KAFKA_* variables, all of them, or the default file.
set -eu
# Without a network of its own a container may have no line for its host name, and Kafka asks for it.
grep -q "$(hostname)" /etc/hosts || echo "127.0.0.1 $(hostname)" >> /etc/hosts
export CLUSTER_ID="${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}"

log=-Dorg.slf4j.simpleLogger
kafka() {
    exec /opt/java/bin/java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData \
        -Xlog:disable -Xlog:all=error:stderr -Djava.awt.headless=true \
        "$log.defaultLogLevel=warn" "$log.log.kafka.server=info" "$log.log.org.apache.kafka.server=info" \
        -cp '/opt/kafka/libs/*' "$@"
}

setup() {
    (kafka kafka.docker.KafkaDockerWrapper setup --default-configs-dir /etc/kafka/docker \
        --mounted-configs-dir /mnt/shared/config --final-configs-dir /opt/kafka/config 2>&1)
}

# A volume that was used before is as good as a new one.
said="$(setup)" || echo "$said" | grep -q 'already formatted' || { echo "$said"; exit 1; }
kafka kafka.Kafka /opt/kafka/config/server.properties
