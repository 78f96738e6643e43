"""Run by an interpreter that has openpi-client: asks a policy server as openpi's robots do."""

import sys

import numpy as np
from openpi_client.websocket_client_policy import WebsocketClientPolicy


def main(host: str, port: int, key: str) -> None:
    client = WebsocketClientPolicy(host, port, api_key=key)
    found = [client.get_server_metadata()["constellation/policy"]["name"]]
    observation = {
        "observation/state": np.zeros(6, np.float64),
        "observation/image": np.zeros((224, 224, 3), np.uint8),
        "mole": np.array([0.2, 0.1], np.float32),
        "prompt": "hit the moles",
    }
    for _ in range(2):
        reply = client.infer(observation)
    actions = reply["actions"]
    found += [f"{actions.shape} {actions.dtype}", *sorted(reply["server_timing"])]
    found.append(str(float(actions[:, 0].sum()) / 50))
    # What is ours alone: a number that comes back, and how late the answer will be.
    told = {"constellation/request": 41, "constellation/delay": 6}
    late = client.infer({**observation, **told})
    found.append(f"{late['constellation/request']} {bool((late['actions'] != actions).any())}")
    found.append(str("constellation/request" in reply))
    try:
        client.infer({"prompt": "no state"})
    except RuntimeError as error:
        found += str(error).splitlines()
    sys.stdout.write("\n".join(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
