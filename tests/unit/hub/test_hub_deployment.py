"""The deployment examples for Kubernetes: valid against its schemas, and as strict as the documents say.

No cluster is started here: what a cluster makes of the files is not tried.
"""

import shlex

import kubernetes_validate
import pytest
import yaml

from jupyter_secure.broker.store.postgres import parse_url
from jupyter_secure.cli.main import parser
from tests.integration.server_process import REPOSITORY

FOLDER = REPOSITORY / "jupyter-config" / "hub"
BROKER = list(yaml.safe_load_all((FOLDER / "broker.yaml").read_text()))
VALUES = yaml.safe_load((FOLDER / "z2jh-values.yaml").read_text())
VERSIONS = ("1.31", kubernetes_validate.latest_version())


def document(kind):
    (found,) = [each for each in BROKER if each["kind"] == kind]
    return found


def user_pod():
    """Return a user's pod with what the values say, in the shape of Kubernetes."""
    spawner, user = VALUES["hub"]["config"]["KubeSpawner"], VALUES["singleuser"]
    container = {
        "name": "notebook",
        "image": ":".join((user["image"]["name"], user["image"]["tag"])),
        "securityContext": spawner["container_security_context"],
        "volumeMounts": user["storage"]["extraVolumeMounts"],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "jupyter-ann"},
        "spec": {
            **user["extraPodConfig"],
            "securityContext": spawner["pod_security_context"],
            "containers": [container],
            "volumes": user["storage"]["extraVolumes"],
        },
    }


def user_policy():
    """Return the users' rules of egress as a policy."""
    egress = VALUES["singleuser"]["networkPolicy"]["egress"]
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": egress}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "users"}, "spec": spec}


EVERYTHING = [*BROKER, user_pod(), user_policy()]
PODS = {
    "broker": document("Deployment")["spec"]["template"]["spec"],
    "init": document("Job")["spec"]["template"]["spec"],
    "user": user_pod()["spec"],
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("part", EVERYTHING, ids=lambda part: f"{part['kind']}-{part['metadata']['name']}")
def test_kubernetes_knows_every_field(part, version):
    kubernetes_validate.validate(part, version, strict=True)


@pytest.mark.parametrize("name", ["broker", "init"])
def test_the_commands_in_the_pods_exist(name):
    (container,) = PODS[name]["containers"]
    assert container["command"] == ["/bin/sh", "-c"]
    words = shlex.split(container["args"][0])
    assert (words[:2], words[-2]) == (["exec", "jupyter-secure"], "<")
    parsed = parser().parse_args(words[2:-2])
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    for path in (parsed.vault, words[-1], *(getattr(parsed, name, None) for name in ("cert", "key"))):
        assert path is None or any(path.startswith(f"{place}/") for place in mounted), path
    if name == "init":
        parse_url(parsed.database)


def test_a_field_of_no_schema_is_noticed():
    broken = {**document("Deployment"), "spec": {**document("Deployment")["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_a_pod_meets_the_restricted_profile(pod):
    """Pod Security Standards, profile `restricted`, and no token of the cluster's own API."""
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod)
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert not context.get("privileged")
    assert not any("hostPath" in volume for volume in pod["volumes"])


def test_no_container_is_privileged_by_the_chart():
    assert VALUES["singleuser"]["cloudMetadata"]["blockWithIptables"] is False
    assert VALUES["singleuser"]["allowPrivilegeEscalation"] is False


def test_a_user_reaches_the_broker_the_hub_and_names_alone():
    policy = VALUES["singleuser"]["networkPolicy"]
    assert policy["enabled"] is True
    assert [name for name, on in policy["egressAllowRules"].items() if on] == ["dnsPortsKubeSystemNamespace"]
    broker = document("Deployment")["spec"]["template"]["metadata"]["labels"]["app"]
    port = document("Service")["spec"]["ports"][0]["port"]
    assert policy["egress"] == [
        {
            "to": [{"podSelector": {"matchLabels": {"app": broker}}}],
            "ports": [{"protocol": "TCP", "port": port}],
        }
    ]


def test_the_broker_reaches_hub_database_and_names_alone():
    policy = document("NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    for rule in policy["egress"]:
        assert all("ipBlock" not in target and target for target in rule["to"])
    ports = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert ports == {8081, 5432, 53}
    (entry,) = policy["ingress"]
    assert [port["port"] for port in entry["ports"]] == [document("Service")["spec"]["ports"][0]["port"]]
    assert entry["from"][0]["podSelector"]["matchLabels"]["component"] == "singleuser-server"


def test_no_secret_stands_in_the_files():
    assert "Secret" not in {part["kind"] for part in BROKER}
    for name in ("broker", "init"):
        assert not any("env" in container or "envFrom" in container for container in PODS[name]["containers"])
        named = {volume["secret"]["secretName"] for volume in PODS[name]["volumes"] if "secret" in volume}
        assert {"jupyter-secure-passphrase", "jupyter-secure-database"} <= named
    assert not any("secret" in str(volume).lower() for volume in VALUES["singleuser"]["storage"]["extraVolumes"])
