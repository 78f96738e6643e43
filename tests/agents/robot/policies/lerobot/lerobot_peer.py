"""Run by an interpreter that has LeRobot 0.4.4: its real robot, policy server and pickles.

lerobot_peer.py vectors FOLDER     writes the pickles that LeRobot's own classes make
lerobot_peer.py check FOLDER       loads the pickles that we wrote, as LeRobot does
lerobot_peer.py act FOLDER         writes a small ACT policy with random weights
lerobot_peer.py infer FOLDER       what that policy answers to `observed`, as JSON
lerobot_peer.py ours FOLDER        what `LeRobotPolicy` answers to it, alone and among others
lerobot_peer.py serve              a policy server; says its port
lerobot_peer.py robot HOST:PORT    a robot that asks a policy server; says what it did
"""

import json
import pickle
import sys
import threading
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import torch
from lerobot.async_inference.configs import PolicyServerConfig, RobotClientConfig
from lerobot.async_inference.helpers import RemotePolicyConfig, TimedAction, TimedObservation
from lerobot.async_inference.policy_server import PolicyServer
from lerobot.async_inference.robot_client import RobotClient
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.datasets.utils import hw_to_dataset_features
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from lerobot.policies.factory import make_pre_post_processors
from lerobot.robots import Robot, RobotConfig
from lerobot.transport import services_pb2_grpc

JOINTS = [f"joint_{index}" for index in range(6)]
SIDE = 32


@RobotConfig.register_subclass("swinging")
@dataclass
class SwingingConfig(RobotConfig):
    pass


class Swinging(Robot):
    """Two joints and a camera; where it is told to be it is."""

    config_class = SwingingConfig
    name = "swinging"

    def __init__(self, config):
        super().__init__(config)
        self.position, self.sent = [0.25, -0.5], []
        self.sent_enough = threading.Event()

    @property
    def observation_features(self):
        return {"a.pos": float, "b.pos": float, "front": (4, 6, 3)}

    @property
    def action_features(self):
        return {"a.pos": float, "b.pos": float}

    is_connected = is_calibrated = True

    def connect(self, calibrate=True):
        pass

    def disconnect(self):
        pass

    calibrate = configure = connect

    def get_observation(self):
        image = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
        return {"a.pos": self.position[0], "b.pos": np.float32(self.position[1]), "front": image}

    def send_action(self, action):
        self.position = [action["a.pos"], action["b.pos"]]
        self.sent.append(self.position)
        if len(self.sent) == 60:
            self.sent_enough.set()
        return action


def vectors(folder):
    swinging = Swinging(SwingingConfig(id="x"))
    observed = {**swinging.get_observation(), "task": "hit the moles"}
    seen = TimedObservation(timestamp=12.5, timestep=7, observation=observed, must_go=True)
    chunk = torch.arange(6, dtype=torch.float32).reshape(3, 2) / 4
    actions = [TimedAction(12.5 + i / 30, 7 + i, each) for i, each in enumerate(list(chunk))]
    features = hw_to_dataset_features(swinging.observation_features, "observation", use_video=False)
    wanted = RemotePolicyConfig("act", "someone/act", features, 50, "cuda")
    for version in (4, 5):
        for name, what in {"seen": seen, "chunk": actions, "wanted": wanted}.items():
            data = pickle.dumps(what, protocol=version)
            (Path(folder) / f"{name}-{version}.pickle").write_bytes(data)


def check(folder):
    seen, actions, wanted = (
        pickle.loads((Path(folder) / f"{name}.pickle").read_bytes())
        for name in ("seen", "chunk", "wanted")
    )
    assert type(seen) is TimedObservation
    assert type(wanted) is RemotePolicyConfig
    assert [type(actions), *map(type, actions)] == [list] + [TimedAction] * 3
    image = seen.observation.pop("front")
    assert type(image) is np.ndarray
    assert image.flags.writeable
    shown = {
        "seen": [seen.timestamp, seen.timestep, seen.must_go, seen.observation],
        "image": [image.tolist(), str(image.dtype)],
        "actions": [[e.timestamp, e.timestep, e.action.tolist()] for e in actions],
        "types": sorted({str(each.action.dtype) for each in actions}),
        "wanted": vars(wanted),
    }
    sys.stdout.write(json.dumps(shown))


def act(folder):
    torch.manual_seed(0)
    image = "observation.images.front"
    config = ACTConfig(
        input_features={
            "observation.state": PolicyFeature(FeatureType.STATE, (6,)),
            image: PolicyFeature(FeatureType.VISUAL, (3, SIDE, SIDE)),
        },
        output_features={"action": PolicyFeature(FeatureType.ACTION, (2,))},
        chunk_size=20,
        n_action_steps=20,
        dim_model=32,
        n_heads=2,
        dim_feedforward=64,
        n_encoder_layers=1,
        use_vae=False,
        pretrained_backbone_weights=None,
        device="cpu",
    )
    stats = {
        "observation.state": {"mean": torch.full((6,), 0.5), "std": torch.full((6,), 2.0)},
        image: {"mean": torch.full((3, 1, 1), 0.4), "std": torch.full((3, 1, 1), 0.2)},
        "action": {"mean": torch.tensor([0.1, -0.1]), "std": torch.tensor([0.2, 0.3])},
    }
    ACTPolicy(config).save_pretrained(folder)
    for processor in make_pre_post_processors(config, dataset_stats=stats):
        processor.save_pretrained(folder)


def observed():
    state = np.linspace(-1, 1, 6, dtype=np.float32)
    image = (np.arange(SIDE * SIDE * 3) % 251).astype(np.uint8).reshape(SIDE, SIDE, 3)
    return state, image


def infer(folder):
    """As LeRobot's own server would, without its queue."""
    server = PolicyServer(PolicyServerConfig(port=8080))
    state, image = observed()
    raw = {**dict(zip(JOINTS, map(float, state), strict=True)), "front": image, "task": "go"}
    shapes = {**dict.fromkeys(JOINTS, float), "front": image.shape}
    features = hw_to_dataset_features(shapes, "observation", use_video=False)
    wanted = pickle.dumps(RemotePolicyConfig("act", folder, features, 20))

    class Context:
        peer = staticmethod(lambda: "here")

    class Setup:
        data = wanted

    server.SendPolicyInstructions(Setup, Context)
    chunk = server._predict_action_chunk(TimedObservation(0.0, 0, raw))
    sys.stdout.write(json.dumps([each.action.tolist() for each in chunk]))


def ours(folder):
    from agents.robot.policies.lerobot.policy import LeRobotPolicy
    from agents.robot.policies.questions import Question
    from agents.robot.ports import Observation

    policy = LeRobotPolicy(Path(folder), 50.0)
    state, image = observed()
    seen = Observation(0.0, state, {"front": image}, "go")
    other = Observation(0.0, state + 1, {"front": image[::-1].copy()}, "stop")
    alone = policy.infer(seen, state)
    among = policy.infer_batch([Question(other, other.state), Question(seen, state)])[1]
    spec = [policy.spec.horizon, policy.spec.action_dim, str(policy.spec.semantics)]
    sys.stdout.write(json.dumps([spec, alone.tolist(), among.tolist()]))


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    config = PolicyServerConfig(port=8080, inference_latency=0.0)
    services_pb2_grpc.add_AsyncInferenceServicer_to_server(PolicyServer(config), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop(None)


def robot(address):
    config = RobotClientConfig(
        policy_type="act",
        pretrained_name_or_path="whatever",
        robot=SwingingConfig(id="x"),
        actions_per_chunk=20,
        task="swing",
        server_address=address,
        fps=50,
    )
    client = RobotClient(config)
    assert client.start()
    receiving = threading.Thread(target=client.receive_actions, daemon=True)
    receiving.start()
    driving = threading.Thread(target=client.control_loop, args=(config.task,), daemon=True)
    driving.start()
    client.robot.sent_enough.wait(30)
    client.stop()
    driving.join()
    sys.stdout.write(json.dumps(client.robot.sent))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
