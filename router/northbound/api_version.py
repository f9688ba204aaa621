"""The versions of TMF653 that the northbound interface can behave as."""

from __future__ import annotations

from enum import StrEnum

BASE_PATH = "/tmf-api/serviceTestManagement"
# Of ServiceNow's Service Test Management Open API, which is based on 4.1.
SERVICENOW_BASE = "/api/sn_sprb_mgmt/servicetestmanagement"


class ApiVersion(StrEnum):
    """A version of TMF653."""

    V4_1 = "4.1"
    V4_2 = "4.2"
    V5 = "5.0"

    @property
    def is_v5(self) -> bool:
        """Whether it is version 5."""
        return self is ApiVersion.V5

    @property
    def base(self) -> str:
        """The path that every resource of this version is below."""
        return f"{BASE_PATH}/v5" if self.is_v5 else f"{BASE_PATH}/v4"
