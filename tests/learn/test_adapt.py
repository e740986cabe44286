"""Self-training: what the teacher says, what is pasted, what a step makes of a batch."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.classes import NODATA, NOT, UNLABELLED
from geoseg.learn.adapt import Lesson, Teacher, paste_classes, sure_labels, with_colours_of
from geoseg.learn.parts import Average
from geoseg.learn.settings import AdaptSection


def _image(seed: int, side: int = 12) -> torch.Tensor:
    return torch.randint(0, 256, (3, side, side), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def test_only_sure_pixels_get_a_label() -> None:
    scores = torch.tensor([[4.0, 0.0], [0.0, 0.3]]).T[None, :, None, :]  # two classes, two pixels
    assert sure_labels(scores, 0.9).tolist() == [[[0, NODATA]]]
    assert sure_labels(scores, 0.5).tolist() == [[[0, 1]]]


@given(st.integers(0, 1000))
def test_whole_classes_are_pasted_and_nothing_else(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    images = torch.stack([_image(seed), _image(seed + 1)])
    labels = torch.randint(0, 4, (2, 12, 12), generator=random)
    labels[0, :2] = NODATA
    before = images.clone(), labels.clone()
    paste_classes((images, labels), 0, 1, random)
    changed = (labels[1] == before[1][0]) & (images[1] == before[0][0]).all(0)
    kept = (labels[1] == before[1][1]) & (images[1] == before[0][1]).all(0)
    assert bool((changed | kept).all())
    assert torch.equal(labels[0], before[1][0])
    pasted = {int(k) for k in before[1][0].unique() if k < NOT and bool(changed[before[1][0] == k].all())}
    assert len(pasted) >= 2  # half of the four classes, wholly
    assert not bool((labels[1][:2] == NODATA).any())  # what has no label gives nothing


def test_colours_of_another_photo() -> None:
    dark = torch.randint(20, 60, (3, 40, 40), dtype=torch.uint8)
    bright = torch.randint(120, 220, (3, 40, 40), dtype=torch.uint8)
    moved = with_colours_of(dark, bright, 255.0).float()
    assert torch.allclose(moved.mean((1, 2)), bright.float().mean((1, 2)), atol=2)
    assert torch.equal(with_colours_of(dark, dark, 255.0), dark)
    assert with_colours_of(dark.float(), bright.float(), 255.0).is_floating_point()


class _Flat(torch.nn.Module):
    """Says one class everywhere, surely."""

    def __init__(self, says: int) -> None:
        super().__init__()
        self.scores = torch.nn.Parameter(torch.eye(6)[says] * 20)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scores.view(1, 6, 1, 1).expand(len(x), 6, *x.shape[-2:])


def _teacher(**section: float) -> Teacher:
    average = Average(_Flat(3), 0.9)
    return Teacher(_Flat(0), average, AdaptSection.model_validate(section), frozenset({1}), 7, 255.0)


def _lesson() -> Lesson:
    images = torch.stack([_image(i) for i in range(4)])
    labels = torch.randint(0, 3, (4, 12, 12), generator=torch.Generator().manual_seed(5))
    sets = torch.tensor([0, 1, 0, 1])
    labels[sets == 1] = UNLABELLED
    labels[1, :3] = NODATA  # a corner of this photo holds no data
    return Lesson(images, labels, sets, torch.ones(4))


def test_the_teacher_has_the_averaged_weights_and_leaves_labelled_samples_alone() -> None:
    lesson = _lesson()
    taught = _teacher(mix=0.0, colours=0.0, weight=0.5).prepare(lesson, 3, lesson.images.float())
    assert (taught.labels[1, :3] == NODATA).all()
    assert (taught.labels[1, 3:] == 3).all()
    assert (taught.labels[3] == 3).all()
    assert torch.equal(taught.labels[lesson.sets == 0], lesson.labels[lesson.sets == 0])
    assert torch.equal(taught.images, lesson.images)
    assert taught.weights.tolist() == [1.0, 0.375, 1.0, 0.5]


def test_a_step_is_prepared_the_same_again_and_another_one_otherwise() -> None:
    lesson, teacher = _lesson(), _teacher(mix=1.0, colours=1.0)
    first, again = (teacher.prepare(lesson, 3, lesson.images.float()) for _ in range(2))
    other = teacher.prepare(lesson, 4, lesson.images.float())
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.images, other.images)
    assert set(first.labels[1].unique().tolist()) > {3}  # something was pasted in
    assert torch.equal(lesson.images, _lesson().images)  # the batch itself is untouched


def test_nothing_happens_without_photos() -> None:
    lesson = replace(_lesson(), sets=torch.zeros(4, dtype=torch.long))
    assert _teacher().prepare(lesson, 3, lesson.images.float()) is lesson


def test_photos_teach_nothing_before_the_start() -> None:
    lesson = _lesson()
    early = _teacher(start=10).prepare(lesson, 3, lesson.images.float())
    assert torch.equal(early.images, lesson.images)
    assert (early.labels[lesson.sets == 1] == NODATA).all()
