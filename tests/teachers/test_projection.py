"""From a teacher's features to principal components, and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from featurenerf.errors import InputError
from featurenerf.teachers.projection import Projection


def of_four_points() -> torch.Tensor:
    """Around (3, 5), with variances of 2 along x and a half along y."""
    return torch.tensor([[5.0, 5.0], [1.0, 5.0], [3.0, 6.0], [3.0, 4.0]])


def known(**changes: object) -> Projection:
    """Of three numbers to two: x is taken before z; variances of 6 and 2, of 16 in all."""
    values = {
        "mean": torch.tensor([1.0, 2.0, 3.0]),
        "basis": torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]),
        "scale": torch.tensor(2.0),
        "explained": 0.5,
        "variances": torch.tensor([6.0, 2.0], dtype=torch.float64),
    }
    return Projection(**{**values, **changes})  # type: ignore[arg-type]


def test_components_of_four_points_by_hand() -> None:
    one = Projection.fit(of_four_points(), 1)
    assert one.mean.tolist() == [3, 5]
    torch.testing.assert_close(one.basis, torch.tensor([[1.0], [0.0]]))
    assert float(one.scale) == pytest.approx(2**0.5)
    assert (one.basis.dtype, one.scale.dtype) == (torch.float32, torch.float32)
    assert one.explained == pytest.approx(0.8)
    assert one.variances is not None
    assert one.variances.tolist() == pytest.approx([2.0])
    both = Projection.fit(of_four_points(), 2)
    torch.testing.assert_close(both.basis, torch.eye(2))
    assert float(both.scale) == pytest.approx(1.25**0.5)  # of the mean variance
    assert both.explained == pytest.approx(1)
    assert both.variances is not None
    assert both.variances.tolist() == pytest.approx([2.0, 0.5])


def test_the_largest_number_of_a_component_is_positive() -> None:
    steps = torch.tensor([-2.0, -1, 0, 3]).unsqueeze(1)
    for direction in ([0.6, -0.8], [-0.6, 0.8]):
        basis = Projection.fit(steps * torch.tensor(direction), 1).basis
        torch.testing.assert_close(basis, torch.tensor([[-0.6], [0.8]]))


def test_a_weak_component_beside_a_strong_one() -> None:
    """Standard deviations of 707 and 0.07 in directions that are no axes: sums in single precision hide the second."""
    strong, weak = torch.tensor([[0.6, 0.8]]) * 1000, torch.tensor([[-0.8, 0.6]]) * 0.1
    found = Projection.fit(torch.cat([strong, -strong, weak, -weak]), 2)
    assert found.variances is not None
    assert found.variances.tolist() == pytest.approx([500_000, 0.005], rel=1e-2)
    assert found.basis.T.flatten().tolist() == pytest.approx([0.6, 0.8, 0.8, -0.6], abs=1e-3)


def test_features_that_vary_less_than_there_are_components() -> None:
    line = torch.linspace(-1, 1, 9).unsqueeze(1) * torch.tensor([[1.0, -2.0, 3.0, 0.7, 0.3]]) + 0.3
    found = Projection.fit(line, 5)
    assert found.variances is not None
    assert (found.variances >= 0).all()
    assert found.explained == pytest.approx(1, abs=1e-12)
    assert Projection.fit(line, 1).explained == pytest.approx(1, abs=1e-6)


def test_a_feature_is_projected_and_comes_back() -> None:
    projection = known()
    assert projection(torch.tensor([[5.0, 9.0, -1.0]])).tolist() == [[2, -2]]
    assert projection.back(torch.tensor([[2.0, -2.0]])).tolist() == [[5, 2, -1]]  # the closest that has these


def test_the_first_components_are_those_that_would_be_fitted() -> None:
    projection = known()
    short = projection.shortened(1)
    assert short.mean.tolist() == [1, 2, 3]
    assert short.basis.tolist() == [[1], [0], [0]]
    assert float(short.scale) == pytest.approx(6**0.5)
    assert short.scale.dtype == torch.float32
    assert short.explained == pytest.approx(6 / 16)
    assert short.variances is not None
    assert short.variances.tolist() == [6]
    three = known(basis=torch.eye(3), explained=0.75, variances=torch.tensor([6.0, 4, 2], dtype=torch.float64))
    two = three.shortened(2)
    assert two.basis.tolist() == [[1, 0], [0, 1], [0, 0]]
    assert float(two.scale) == pytest.approx(5**0.5)  # of the mean of 6 and 4
    assert two.explained == pytest.approx(10 / 16)
    direct = Projection.fit(of_four_points(), 1)
    torch.testing.assert_close(Projection.fit(of_four_points(), 2).shortened(1).basis, direct.basis)
    assert projection.shortened(2) is projection


def test_a_projection_cannot_be_shortened_to_what_it_does_not_have() -> None:
    with pytest.raises(ValueError, match="a projection to 2 components has not the variances of 3"):
        known().shortened(3)
    with pytest.raises(ValueError, match="a projection to 2 components has not the variances of 1"):
        known(variances=None).shortened(1)
    old = known(variances=None)
    assert old.shortened(2) is old


def test_a_basis_lies_in_memory_as_one_that_was_read() -> None:
    features = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    assert Projection.fit(features, 4).basis.is_contiguous()
    assert Projection.fit(features, 4).shortened(2).basis.is_contiguous()


def test_a_projection_moves_to_a_device() -> None:
    there = known().to(torch.device("meta"))
    assert {tensor.device.type for tensor in (there.mean, there.basis, there.scale)} == {"meta"}
    assert there.explained == 0.5
    assert there.variances is not None
    assert there.variances.tolist() == [6, 2]


def test_a_file_holds_all_of_a_projection(tmp_path: Path) -> None:
    known().write(tmp_path / "teacher.safetensors")
    back = Projection.read(tmp_path / "teacher.safetensors")
    assert back.mean.tolist() == [1, 2, 3]
    assert back.basis.tolist() == [[1, 0], [0, 0], [0, 1]]
    assert (float(back.scale), back.explained) == (2.0, 0.5)
    assert back.variances is not None
    assert back.variances.tolist() == [6, 2]
    turned = torch.tensor([[1.0, 0, 0], [0, 0, 1]]).T  # lies otherwise in memory
    known(basis=turned).write(tmp_path / "teacher.safetensors")
    assert Projection.read(tmp_path / "teacher.safetensors").basis.tolist() == [[1, 0], [0, 0], [0, 1]]
    known(variances=None).write(tmp_path / "teacher.safetensors")  # as old runs have it
    assert Projection.read(tmp_path / "teacher.safetensors").variances is None
    known(explained=1 / 3).write(tmp_path / "teacher.safetensors")
    assert Projection.read(tmp_path / "teacher.safetensors").explained == 1 / 3  # to the bit


def test_a_projection_that_is_missing_or_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    with pytest.raises(InputError, match=r"teacher\.safetensors is missing or damaged .*: copy or make the folder"):
        Projection.read(path)
    path.write_bytes(b"no")
    with pytest.raises(InputError, match="missing or damaged"):
        Projection.read(path)
    known().write(path)
    save_file({name: value for name, value in load_file(path).items() if name != "scale"}, path)
    with pytest.raises(InputError, match="missing or damaged"):
        Projection.read(path)


def test_projection_round_trip() -> None:
    """Features that vary in three directions only come back from three components, and have unit variance."""
    torch.manual_seed(0)
    features = torch.randn(500, 3) * torch.tensor([3.0, 2.0, 1.0]) @ torch.randn(3, 7) + 5
    projection = Projection.fit(features, 3)
    values = projection(features)
    assert values.shape == (500, 3)
    assert projection.explained == pytest.approx(1, abs=1e-4)
    assert torch.allclose(values * projection.scale @ projection.basis.T + projection.mean, features, atol=1e-4)
    assert values.mean(0).abs().max() < 1e-4
    assert values.var(0, correction=0).mean() == pytest.approx(1, abs=1e-3)
    assert (values.var(0)[:-1] >= values.var(0)[1:]).all()  # the strongest comes first


def test_projection_does_not_depend_on_the_order_of_features() -> None:
    """An eigenvector has no sign of its own; the components have."""
    torch.manual_seed(1)
    features = torch.randn(300, 6) * torch.arange(1, 7)
    one, two = Projection.fit(features, 4), Projection.fit(features.flip(0), 4)
    assert torch.allclose(one.basis, two.basis, atol=1e-3)
    largest = one.basis.gather(0, one.basis.abs().argmax(0, keepdim=True))
    assert (largest > 0).all()
    assert 0.5 < one.explained < 1


def test_projection_on_disk(tmp_path: Path) -> None:
    projection = Projection.fit(torch.randn(50, 6), 4)
    projection.write(tmp_path / "teacher.safetensors")
    back = Projection.read(tmp_path / "teacher.safetensors")
    assert torch.equal(back.mean, projection.mean)
    assert torch.equal(back.basis, projection.basis)
    assert torch.equal(back.scale, projection.scale)
    assert back.explained == projection.explained
