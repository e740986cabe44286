"""Losses, augmentation, networks and metrics: laws, oracles, and the errors that tutorials teach."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from geoseg.classes import ISPRS, NODATA, NOT
from geoseg.errors import EnvironmentFault, ModelError, UsageError
from geoseg.learn.augment import NONE, Augmentation, Pose, draw_pose, photographed, posed
from geoseg.learn.losses import LOSSES, LossOptions, cross_entropy, dice, lovasz
from geoseg.learn.parts import Average, freeze, parameter_groups, training_mode
from geoseg.metrics.objects import boxes_matched, matched
from geoseg.metrics.pixels import (
    Reliability,
    Tally,
    bootstrap,
    boundary_counts,
    boundary_f1,
    reliability,
    scores_of,
    tally,
)
from geoseg.networks import NETWORKS, geometry_of, make_network, unet_mobilenet, unet_s
from geoseg.networks.backbone import load_backbone, matched_by_name, widened

PLAIN = LossOptions()
FILL = np.array([100, 110, 120], np.float32)


def _batch(seed: int = 0, classes: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, classes, 16, 16, generator=generator), torch.randint(
        0, classes, (2, 16, 16), generator=generator
    )


# Losses


@pytest.mark.parametrize("name", LOSSES)
def test_unknown_pixels_cost_and_teach_nothing(name: str) -> None:
    scores, labels = _batch()
    labels[:, :8] = NODATA
    other = scores.clone()
    other[:, :, :8] += 5
    scores.requires_grad_(True)
    loss = LOSSES[name](scores, labels, PLAIN)
    assert torch.allclose(loss, LOSSES[name](other, labels, PLAIN))
    loss.backward()
    assert scores.grad is not None
    assert not scores.grad[:, :, :8].any()
    assert scores.grad[:, :, 8:].any()


@pytest.mark.parametrize("name", LOSSES)
def test_all_unknown_is_zero_and_finite(name: str) -> None:
    scores, labels = _batch()
    scores.requires_grad_(True)
    loss = LOSSES[name](scores, torch.full_like(labels, NODATA), PLAIN)
    loss.backward()
    assert float(loss.detach()) == 0
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()


@pytest.mark.parametrize("name", LOSSES)
def test_absent_classes_do_not_break(name: str) -> None:
    scores, labels = _batch()
    assert torch.isfinite(LOSSES[name](scores, labels.clamp(max=1), PLAIN))


@pytest.mark.parametrize("name", LOSSES)
def test_truth_scores_better_than_chance(name: str) -> None:
    scores, labels = _batch()
    truth = 12 * torch.nn.functional.one_hot(labels, 6).permute(0, 3, 1, 2).float()
    assert LOSSES[name](truth, labels, PLAIN) < 0.05 < LOSSES[name](scores, labels, PLAIN)


def test_denied_class_loses_and_the_rest_does_not() -> None:
    scores = torch.zeros(1, 3, 1, 1, requires_grad=True)
    loss = cross_entropy(scores, torch.full((1, 1, 1), NOT + 1), PLAIN)
    assert math.isclose(float(loss.detach()), -math.log(2 / 3), rel_tol=1e-5)
    loss.backward()
    assert scores.grad is not None
    g = scores.grad[0, :, 0, 0]
    assert g[1] > 0 > g[0] == g[2]


def test_two_classes_denied_equals_named() -> None:
    """With two classes "not 1" and "0" say the same."""
    scores = torch.randn(2, 2, 8, 8)
    labels = torch.randint(0, 2, (2, 8, 8))
    denied = torch.where(labels == 0, NOT + 1, 1)
    assert torch.allclose(cross_entropy(scores, labels, PLAIN), cross_entropy(scores, denied, PLAIN), atol=1e-6)


def test_losses_equal_the_library(request: pytest.FixtureRequest) -> None:
    smp = pytest.importorskip("segmentation_models_pytorch", reason="segmentation_models_pytorch is not installed")
    scores, labels = _batch(3)
    theirs = smp.losses.LovaszLoss("multiclass", per_image=False, ignore_index=NODATA)(scores, labels)
    assert torch.allclose(lovasz(scores, labels, PLAIN), theirs, atol=1e-5)
    theirs = smp.losses.DiceLoss("multiclass", smooth=1.0, eps=1e-7, ignore_index=NODATA)(scores, labels)
    assert abs(float(dice(scores, labels, PLAIN) - theirs)) < 0.02  # theirs smooths numerator and denominator alike
    labels[:, :4] = NODATA
    plain = torch.nn.functional.cross_entropy(scores, labels, ignore_index=NODATA)
    assert torch.allclose(cross_entropy(scores, labels, PLAIN), plain)


def test_softmax_before_the_loss_would_show() -> None:
    """The tutorials' "softmax, then CrossEntropyLoss" flattens gradients: logits are what losses take."""
    _, labels = _batch()
    truth = 12 * torch.nn.functional.one_hot(labels, 6).permute(0, 3, 1, 2).float()
    assert cross_entropy(truth, labels, PLAIN) < 0.01 < 1 < cross_entropy(truth.softmax(1), labels, PLAIN)


# Augmentation


@given(st.integers(0, 3), st.booleans(), st.integers(0, 1000))
@profile(max_examples=30)
def test_quarter_turns_move_image_and_label_alike(turn: int, mirrored: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 6, (32, 32)).astype(np.uint8)
    image = np.repeat(labels[None] * 40, 3, 0)
    crop, found = posed(image, labels, np.ones((32, 32), bool), Pose(32, 1.0, turn * math.pi / 2, mirrored), FILL)
    assert (crop[0] == found * 40).all()
    assert sorted(found.ravel()) == sorted(labels.ravel())


@given(st.floats(0.5, 2.2), st.floats(0, 6.3), st.booleans(), st.integers(0, 1000))
@profile(max_examples=40)
def test_any_pose_keeps_image_on_label(zoom: float, angle: float, mirrored: bool, seed: int) -> None:
    """Image values are the label's: away from class borders they agree after any turn and scale."""
    pose = Pose(48, zoom, angle, mirrored)
    rng, side = np.random.default_rng(seed), pose.reach
    labels = np.kron(rng.integers(0, 4, (side // 16 + 1,) * 2), np.ones((16, 16), int))[:side, :side].astype(np.uint8)
    image = np.repeat(labels[None] * 60, 3, 0).astype(np.uint8)
    crop, found = posed(image, labels, np.ones(labels.shape, bool), pose, FILL)
    known = found != NODATA
    assert known.mean() > 0.9
    close = np.abs(crop[0].astype(int) - found.astype(int) * 60) < 30
    assert close[known].mean() > 0.8


@given(st.floats(0.5, 2.2), st.floats(0, 6.3), st.integers(0, 1000))
@profile(max_examples=30)
def test_labels_are_never_mixed(zoom: float, angle: float, seed: int) -> None:
    """Bilinear labels would make classes that nobody drew."""
    pose = Pose(32, zoom, angle, False)
    labels = np.random.default_rng(seed).choice(np.array([0, 5, NOT + 1, NODATA], np.uint8), (pose.reach, pose.reach))
    image = np.zeros((3, *labels.shape), np.uint8)
    assert set(np.unique(posed(image, labels, np.ones(labels.shape, bool), pose, FILL)[1])) <= {0, 5, NOT + 1, NODATA}


def test_outside_is_unknown_and_mean() -> None:
    valid = np.ones((32, 32), bool)
    valid[:, 20:] = False
    crop, labels = posed(
        np.zeros((3, 32, 32), np.uint8), np.ones((32, 32), np.uint8), valid, Pose(32, 1.0, 0.0, False), FILL
    )
    assert (labels[:, 20:] == NODATA).all()
    assert (crop[:, :, 25] == FILL[:, None]).all()


def test_weather_leaves_labels_alone() -> None:
    rng = np.random.default_rng(2)
    image, labels = rng.integers(0, 255, (3, 64, 64), dtype=np.uint8), rng.integers(0, 6, (64, 64)).astype(np.uint8)
    strong = Augmentation(blur=1, noise=1, jpeg=1, grey=1, nodata=0)
    changed, same = photographed(image, labels, rng, strong, FILL)
    assert (same == labels).all()
    assert (changed != image).mean() > 0.5
    kept, same = photographed(image, labels, rng, NONE, FILL)
    assert (kept == image).all()
    assert (same == labels).all()


def test_scale_bounds_are_kept() -> None:
    rng = np.random.default_rng(0)
    zooms = [draw_pose(rng, Augmentation(scale=(0.5, 2)), 32, 2.0).zoom for _ in range(300)]
    assert 1.0 <= min(zooms) < 1.2
    assert 3.4 < max(zooms) <= 4.0


# Networks

SMP = (
    "unet/resnet18",
    "unetplusplus/resnet18",
    "deeplabv3plus/mobilenet_v2",
    "fpn/resnet18",
    "upernet/resnet18",
    "segformer/mit_b0",
)


def _made(name: str, bands: int = 3) -> torch.nn.Module:
    torch.manual_seed(0)
    if "/" in name:
        pytest.importorskip("segmentation_models_pytorch", reason="segmentation_models_pytorch is not installed")
    return make_network(name, bands, 6)


LIGHT = (
    "unet_s",
    "unet_mobilenet_v2",
    "encoder_decoder",
    "deeplabv3_mobilenet_v3_large",
    "lraspp_mobilenet_v3_large",
    "unet/resnet18",
)
HEAVY = [*(set(NETWORKS) - set(LIGHT)), *(set(SMP) - set(LIGHT))]


def _lowers_the_loss(name: str, bands: int) -> None:
    network, generator = _made(name, bands), torch.Generator().manual_seed(1)
    x = torch.randn(2, bands, 64, 64, generator=generator)
    labels = (x[:, 0] > 0).long()
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3)
    losses = []
    for _ in range(6):
        out = network.train()(x)
        scores = out["out"] if isinstance(out, dict) else out
        assert scores.shape == (2, 6, 64, 64)
        loss = cross_entropy(scores, labels, PLAIN)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert min(losses[1:]) < losses[0]


@pytest.mark.parametrize("name", LIGHT)
def test_steps_lower_the_loss(name: str) -> None:
    _lowers_the_loss(name, 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", HEAVY)
def test_steps_lower_the_loss_heavy(name: str) -> None:
    _lowers_the_loss(name, 4 if not name.startswith("segformer") else 3)


@pytest.mark.parametrize("name", ["unet_s", "unet_mobilenet_v2"])
def test_stated_margin_holds_the_receptive_field(name: str) -> None:
    """A change of one pixel moves no score further away than the margin, and some score near it."""
    network, margin = _made(name).eval(), geometry_of(name).margin
    for parameter in network.parameters():  # no zero initial biases or dead ReLUs in the way
        parameter.data = torch.rand_like(parameter) * 0.1 + 0.01
    side = (2 * margin + 64) // 32 * 32 + 64
    x = torch.rand(1, 3, side, side, requires_grad=True)
    scores, reach = network(x), 0
    for middle in range(side // 2, side // 2 + geometry_of(name).stride):  # a pixel's place among the strides matters
        (gradient,) = torch.autograd.grad(scores[0, :, middle, middle].sum(), x, retain_graph=True)
        touched = np.argwhere(gradient[0].abs().sum(0).numpy() > 0) - middle
        reach = max(reach, int(np.abs(touched).max()))
    assert reach == {"unet_s": unet_s.RADIUS, "unet_mobilenet_v2": unet_mobilenet.RADIUS}[name]
    assert reach <= margin
    assert margin % geometry_of(name).stride == 0


@pytest.mark.parametrize("bands", [1, 3, 4, 6])
def test_widened_first_convolution_keeps_its_answer(bands: int) -> None:
    """Grey in every band gives what grey in three gave."""
    weight = torch.randn(8, 3, 3, 3)
    flat = torch.full((1, 1, 9, 9), 0.7)
    three = torch.nn.functional.conv2d(flat.expand(1, 3, 9, 9), weight)
    if bands % 3 == 0:
        many = torch.nn.functional.conv2d(flat.expand(1, bands, 9, 9), widened(weight, bands))
        assert torch.allclose(three, many, atol=1e-5)
    assert widened(weight, bands).shape == (8, bands, 3, 3)


def test_backbone_weights_are_taken_and_widened() -> None:
    from torchvision.models import mobilenet_v2

    classifier = mobilenet_v2(weights=None)
    network = make_network("unet_mobilenet_v2", 4, 6)
    taken = load_backbone(network, classifier.state_dict(), "test")
    assert taken > 150
    assert torch.equal(network.backbone[3].conv[0][0].weight, classifier.features[3].conv[0][0].weight)
    with pytest.raises(ModelError, match="tensors of this backbone"):
        load_backbone(make_network("unet_mobilenet_v2", 3, 6), {"conv1.weight": torch.zeros(1)}, "x.pth")


def test_init_matches_classes_by_name() -> None:
    old, new = make_network("unet_s", 3, 3), make_network("unet_s", 4, 4)
    _, shared = matched_by_name(new, old.state_dict(), ("car", "tree", "water", "road"), ("tree", "road", "car"))
    assert shared == ["car", "tree", "road"]
    for mine, theirs in ((0, 2), (1, 0), (3, 1)):
        assert torch.equal(new.head.weight[mine], old.head.weight[theirs])
    assert torch.equal(new.down4.first[0].weight, old.down4.first[0].weight)


def test_unknown_networks_are_named() -> None:
    with pytest.raises(UsageError, match="did you mean unet_s"):
        make_network("unet_x", 3, 6)
    with pytest.raises(UsageError, match="not take these arguments"):
        make_network("unet_s", 3, 6, widht=3)
    with pytest.raises((UsageError, EnvironmentFault), match="nosuch"):
        make_network("unet/nosuch", 3, 6)


def test_frozen_backbone_does_not_move_at_all() -> None:
    """Frozen weights, and the running statistics of frozen batch norms: tutorials freeze the first and forget the second."""
    network = make_network("lraspp_mobilenet_v3_large", 3, 6)
    before = {k: v.clone() for k, v in network.backbone.state_dict().items()}
    frozen = freeze(network, ["backbone"])
    optimiser = torch.optim.AdamW(parameter_groups(network, 0.01, None, 0.01), lr=0.01)
    for _ in range(2):
        training_mode(network, frozen)
        network(torch.randn(2, 3, 64, 64))["out"].mean().backward()
        optimiser.step()
    assert all(torch.equal(v, before[k]) for k, v in network.backbone.state_dict().items())
    assert network.classifier.training
    with pytest.raises(UsageError, match="no part of this network"):
        freeze(network, ["bakbone"])


def test_rates_per_part_cover_every_parameter_once() -> None:
    network = make_network("deeplabv3_mobilenet_v3_large", 3, 6)
    groups = parameter_groups(network, 1e-3, 1e-4, 0.01)
    held = [id(p) for g in groups for p in g["params"]]
    assert sorted(held) == sorted(id(p) for p in network.parameters())
    assert {g["base"] for g in groups} == {1e-3, 1e-4}
    assert all(g["weight_decay"] == 0 for g in groups if g["params"][0].ndim == 1)


def test_average_of_constant_weights_is_the_weights() -> None:
    network = make_network("unet_s", 3, 2)
    average = Average(network, 0.99)
    for _ in range(3):
        average.update(network)
    assert all(torch.allclose(v.float(), average.state[k].float()) for k, v in network.state_dict().items())


# Metrics


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.array([0, 1, 2, 3, NODATA], np.uint8), (24, 24))
    return labels, rng.integers(0, 4, (24, 24)).astype(np.uint8)


@given(_pairs(), st.integers(1, 23))
def test_counts_add_up_over_windows(pair: tuple[np.ndarray, np.ndarray], cut: int) -> None:
    labels, found = pair
    whole, parts = tally(labels, found, 4), tally(labels[:cut], found[:cut], 4) + tally(labels[cut:], found[cut:], 4)
    assert (whole.confusion == parts.confusion).all()
    assert whole.confusion.dtype == np.int64
    assert whole.confusion.sum() == (labels != NODATA).sum()


@given(_pairs())
def test_scores_equal_scikit_learn(pair: tuple[np.ndarray, np.ndarray]) -> None:
    oracle = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    labels, found = pair
    known = labels != NODATA
    y, p = labels[known], found[known]
    scores = scores_of(tally(labels, found, 4))
    assert math.isclose(scores["overall_accuracy"], oracle.accuracy_score(y, p))
    assert math.isclose(scores["kappa"], oracle.cohen_kappa_score(y, p), abs_tol=1e-12)
    for name, ours in (
        ("f1_score", "f1"),
        ("jaccard_score", "iou"),
        ("precision_score", "precision"),
        ("recall_score", "recall"),
    ):
        theirs = getattr(oracle, name)(y, p, labels=range(4), average=None, zero_division=0)
        assert np.allclose(
            [v for v in scores[ours] if v is not None],
            [t for t, v in zip(theirs, scores[ours], strict=True) if v is not None],
        )


def test_accuracy_is_per_pixel_not_per_batch() -> None:
    """Tutorials divide correct pixels by the number of images."""
    labels = np.zeros((2, 50, 50), np.uint8)
    assert scores_of(tally(labels, labels, 6))["overall_accuracy"] == 1.0


def test_denied_pixels_count_against_their_class_only() -> None:
    labels = np.array([[1, NOT + 1, NOT + 1, NODATA]], np.uint8)
    scores = scores_of(tally(labels, np.array([[1, 1, 0, 1]], np.uint8), 3))
    assert scores["iou"][1] == 0.5
    assert scores["precision"][1] == 0.5
    assert scores["recall"][1] == 1.0
    assert scores["iou"][0] is None


def test_absent_classes_are_left_out_and_said() -> None:
    labels = np.array([[0, 0, 1, 1]], np.uint8)
    scores = scores_of(tally(labels, np.array([[0, 0, 1, 0]], np.uint8), 6))
    assert scores["averaged"] == [0, 1]
    assert scores["iou"][3] is None
    assert math.isclose(scores["mean_iou"], (2 / 3 + 1 / 2) / 2)
    assert scores_of(tally(labels, labels, 6), left_out=[1])["averaged"] == [0]


def test_reliability_of_a_calibrated_answer() -> None:
    rng = np.random.default_rng(4)
    confidence = rng.integers(50, 101, 200_000).astype(np.uint8)
    right = rng.uniform(0, 100, len(confidence)) < confidence
    labels = np.zeros(len(confidence), np.uint8)
    counts = reliability(labels, (~right).astype(np.uint8), confidence, 2)
    assert counts.error() < 0.01
    lying = reliability(labels, (~right).astype(np.uint8), np.full_like(confidence, 100), 2)
    assert lying.error() > 0.2
    assert (Reliability.zero() + counts).seen.sum() == len(confidence)


def test_boundary_f1_by_distance() -> None:
    labels = np.zeros((40, 40), np.uint8)
    labels[:, 20:] = 1
    moved = np.zeros_like(labels)
    moved[:, 23:] = 1
    inner = (slice(None), slice(None))
    assert boundary_f1(boundary_counts(labels, labels, 1, inner)) == 1
    assert boundary_f1(boundary_counts(labels, moved, 2, inner)) == 0
    assert boundary_f1(boundary_counts(labels, moved, 3, inner)) == 1


def test_boundary_counts_add_up_over_strips_with_a_halo() -> None:
    rng = np.random.default_rng(1)
    labels = np.kron(rng.integers(0, 3, (6, 6)), np.ones((8, 8), int)).astype(np.uint8)
    found = np.roll(labels, 1, 0)
    whole = boundary_counts(labels, found, 2.0, (slice(None), slice(None)))
    top = boundary_counts(labels[:28], found[:28], 2.0, (slice(0, 24), slice(None)))
    bottom = boundary_counts(labels[20:], found[20:], 2.0, (slice(4, None), slice(None)))
    assert (whole == top + bottom).all()


def test_objects_by_overlap_and_by_box() -> None:
    import shapely

    truth = np.array([shapely.box(0, 0, 10, 10), shapely.box(20, 0, 30, 10), shapely.box(50, 0, 60, 10)], object)
    found = np.array([shapely.box(0, 0, 10, 8), shapely.box(24, 0, 34, 10), shapely.box(80, 0, 90, 10)], object)
    counts, pairs = matched(truth, found)
    assert (counts.hit, counts.extra, counts.missed) == (1, 2, 2)
    assert math.isclose(counts.overlap, 0.8)
    assert pairs.tolist() == [[0, 0]]
    assert boxes_matched(truth, found).hit == 2
    assert boxes_matched(truth, np.array([found[0], found[0]], object)).hit == 1


def test_interval_holds_the_score_and_needs_sheets() -> None:
    rng = np.random.default_rng(0)
    tallies = []
    for share in rng.uniform(0.6, 0.9, 12):
        labels = rng.integers(0, 3, (50, 50)).astype(np.uint8)
        found = np.where(rng.uniform(size=labels.shape) < share, labels, 0).astype(np.uint8)
        tallies.append(tally(labels, found, 3))
    interval = bootstrap(tallies, "mean_iou")
    assert interval is not None
    whole = sum(tallies[1:], start=tallies[0])
    assert interval[0] < scores_of(whole)["mean_iou"] < interval[1]
    assert bootstrap(tallies[:2], "mean_iou") is None
    assert isinstance(Tally.zero(3).confusion, np.ndarray)


def test_shipped_classes_are_json() -> None:
    assert json.loads(json.dumps(ISPRS.to_json()))[1]["name"] == "building"
