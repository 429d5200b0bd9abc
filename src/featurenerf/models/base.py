"""What every model can do: turn pictures into fields, and say how it is initialised and trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from featurenerf.cameras import DISTANCE, FAR, FOV, NEAR, PICTURE_SIZE, Camera
from featurenerf.errors import InputError
from featurenerf.fields.pose import SIZES, CameraEstimate, FoundCamera, assumed_camera, estimated_camera, nearer
from featurenerf.fields.volume import VolumeField
from featurenerf.models.recogniser import Recogniser, check_known, recognised
from featurenerf.models.settings import check_sizes, check_types
from featurenerf.models.warp import Canonical, canonicalise
from featurenerf.pictures import Picture, given_mask, to_tensor, with_silhouette
from featurenerf.placement import misframed, misplaced
from featurenerf.rendering import Sampling

M = TypeVar("M", bound="Model")
Compare = Callable[[Float[Tensor, "o v r d"], int | None], Float[Tensor, ""]]
"""A loss of descriptors: how unlike they are where places of the batch's objects correspond (of the first rays only,
where a number is given)."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Settings that every model of this package has."""

    feature_dim: int = 64
    """Numbers in the distilled feature; 0 is a field without one."""
    labels: tuple[str, ...] = ()
    """Names of the classes of a channel "label" (their logits); none is a field without it."""
    size: int | None = PICTURE_SIZE
    """Side of the pictures that the model sees, in pixels; None takes pictures of any size, focal length and pose."""
    fov: float = FOV
    """Their horizontal field of view, in degrees."""
    distance: float = DISTANCE
    """Of the camera from the origin, in world units, that would show an object as large as in them."""
    near: float = NEAR
    far: float = FAR
    """The depths of that camera between which there is a field, in world units."""
    categories: dict[str, str] = field(default_factory=dict)
    """What the model was trained on: the symmetry of each category's objects, "mirror" or "none", by its name."""

    def __post_init__(self) -> None:
        check_types(self)
        if not 0 <= self.near < self.far < float("inf"):
            raise InputError(f"near is {self.near} and far {self.far}: they must satisfy 0 <= near < far")
        if not (0 < self.fov < 180 and 0 < self.distance < float("inf")):
            raise InputError(f"fov is {self.fov} and distance {self.distance}: they must lie in (0, 180) and above 0")
        if not set(self.categories.values()) <= {"mirror", "none"}:
            raise InputError(f'categories are {self.categories!r}: each name must say "mirror" or "none"')
        check_sizes(self, {"feature_dim": (0, 8192), "size": (16, 1024)})
        if len(self.labels) > 1000 or len(self.categories) > 1000:
            raise InputError(
                f"{len(self.labels)} labels and {len(self.categories)} categories: 1000 of each can be had"
            )

    @property
    def canonical(self) -> Canonical | None:
        """The camera that every picture is warped to before it is encoded."""
        return None if self.size is None else Canonical(self.size, self.fov, self.distance, self.near, self.far)


class Model(nn.Module, ABC):
    """A network that turns pictures into fields. ``config`` rebuilds it.

    Attributes:
        name: of this kind of model, in configurations.
        config_type: the dataclass of its settings.
        canonical: the camera that every picture is warped to before it is encoded; None takes pictures as they are.
        sampling: where the renderer evaluates its fields.
        pixel_offset: where in a pixel its ray starts.
    """

    name: ClassVar[str]
    config_type: ClassVar[type]
    config: Any
    canonical: Canonical | None
    sampling: Sampling
    pixel_offset: float = 0.5
    memory_format: torch.memory_format = torch.contiguous_format
    """How the weights of a new model lie in memory."""
    checkpoint: Path | None = None
    """The directory that it was loaded from."""
    recogniser: Recogniser | None = None
    """What tells its categories from other things; None knows no others, and refuses nothing."""

    @property
    @abstractmethod
    def channels(self) -> dict[str, int]:
        """How many numbers each channel of its fields has, by name."""

    @property
    def internal(self) -> dict[str, int]:
        """Further channels of its fields, which are computed only where they are asked for by name."""
        return {}

    @abstractmethod
    def _encode(self, pictures: Float[Tensor, "b v 4 h w"], cameras: Camera, assumed: bool = False) -> VolumeField:
        """A batched field. ``pictures`` are on black, with alpha; ``cameras`` are theirs, as they were warped. Where
        they are ``assumed`` or found, the world does not say exactly how the object stands."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._facts().values())})"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{name}</th><td>{escape(fact)}</td></tr>" for name, fact in self._facts().items())
        return f"<table><caption>{type(self).__name__}</caption>{rows}</table>"

    def _facts(self) -> dict[str, str]:
        """What is worth knowing of it at a glance."""
        categories = self._categories
        count = sum(parameter.numel() for parameter in self.parameters())
        return {
            "parameters": f"{count / 1e6:.1f} million parameters",
            "categories": " and ".join(categories) or "of no named category",
            "channels": "channels " + ", ".join(f"{name} {size}" for name, size in self.channels.items()),
            "where": f"{str(self.dtype).removeprefix('torch.')} on {self.device}",
        }

    @property
    def frozen(self) -> tuple[nn.Module, ...]:
        """The parts of it that are never trained."""
        return ()

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Whether the parameters that are trained require gradients; those of ``frozen`` parts never do."""
        super().requires_grad_(requires_grad)
        for part in self.frozen:
            part.requires_grad_(False)
        return self

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str = "Upload model with featurenerf",
        private: bool | None = None,
        token: str | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        dtype: torch.dtype | None = None,
    ) -> str:
        """Put the model on the Hugging Face hub, where ``featurenerf.load(repo_id)`` finds it (extra ``hub``).

        Configuration and weights go there, and what lay beside them where the model was loaded from: the teacher's
        components and the card. Without a card one is made of what is known.

        Args:
            repo_id: OWNER/NAME; the repository is made if there is none.
            commit_message: as in ``huggingface_hub``, and so are the next four.
            private: whether only its owner sees it; None keeps what it is, or what the owner's settings say.
            token: who pushes; None is who is logged in.
            revision: the branch.
            create_pr: open a pull request instead.
            dtype: what the weights are stored as; None keeps theirs.
        Returns:
            the address of the commit.
        Raises:
            InputError: when the hub refuses it, or cannot be reached.
            MissingExtraError: without the extra.
        """
        from featurenerf.models.publish import push

        sent = {"commit_message": commit_message, "private": private, "token": token, "revision": revision}
        return push(self, repo_id, create_pr=create_pr, dtype=dtype, **sent)  # type: ignore[arg-type]

    # ------------------------------------------------------------------ what training asks of a model

    @classmethod
    def encoder_settings(cls, name: str | None, imagenet: bool) -> dict[str, Any]:
        """What a configuration says of an encoder of that name, or of the usual one where there is none.

        Args:
            imagenet: whether its weights that were trained on ImageNet are needed.
        """
        return {} if name is None else {"encoder": name}

    def initialise(self, pictures: Iterable[Float[Tensor, "1 4 h w"]], *, imagenet: bool = True) -> None:
        """Start from more than random weights; called once, before the first step of a new run.

        Args:
            pictures: RGBA training views, in [0, 1].
            imagenet: whether an encoder has the weights that were trained on ImageNet.
        """

    def training_sampling(self, shaded: int) -> Sampling:
        """Where training evaluates the fields: all rays, and ``shaded`` samples of each where not all are decoded."""
        return replace(self.sampling, shaded=self.sampling.shaded and shaded, skip_below=0.0)

    def descriptor_losses(
        self,
        descriptors: Float[Tensor, "o v r d"],
        compare: Compare,
        places: Float[Tensor, "o r p"],
        met: Float[Tensor, "o r 1"],
    ) -> dict[str, Float[Tensor, ""]]:
        """Losses of the descriptors that several fields of a batch give to the same rays, by name.

        Args:
            places: where the rays meet their object, and its shape there; ``met`` is 1 where they do.
        """
        return {"correspondence": compare(descriptors, None)}

    # ------------------------------------------------------------------ pictures to fields

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    def encode(
        self, picture: Picture | Sequence[Picture], camera: Camera | Sequence[Camera] | None = None
    ) -> VolumeField:
        """One picture of an object, or several of the same object, to a field.

        Args:
            picture: path, PIL image, (H, W, 3|4) array or (3|4, H, W) float tensor (``pictures.to_tensor``), or a list
                of those. Alpha goes on black; nothing is cropped or masked (``featurenerf.prepare`` does that).
            camera: of each picture, in the object's own frame (+x front, z up) as far as that is known. None finds it
                for a single picture (``featurenerf.estimate_camera``): ``field.source`` is that camera, and
                ``field.estimate`` says how sure it is. Where nothing is found it is assumed to be
                ``Camera.look_at(azimuth=0, elevation=20)``. The picture is warped to the model's intrinsics.
        Raises:
            InputError: for an unreadable picture, or cameras that do not fit the pictures, do not see the object, or
                see it outside of the sphere of radius 0.5 around the origin.
        """
        pictures: list[Any] = list(picture) if isinstance(picture, (list, tuple)) else [picture]
        if not pictures:
            raise InputError("encode needs at least one picture")
        given = [to_tensor(p) for p in pictures]
        tensors = [with_silhouette(p).to(self.device, self.dtype) for p in given]
        if camera is not None:
            cameras = [camera] if isinstance(camera, Camera) else list(camera)
            ready, source = self._ready(tensors, cameras, [given_mask(p) for p in given])
            found = any(isinstance(c, FoundCamera) for c in cameras)
            return self._encode(*ready, assumed=found).taken_by(source)
        if len(tensors) > 1:
            raise InputError("several pictures need a list of cameras: one view's camera can be found, two cannot")
        first, estimate = self._estimate(tensors[0], None)
        if not estimate.found:
            return replace(first.taken_by(first.source), estimate=estimate)
        ready, source = self._ready(tensors, [estimate.camera])
        return replace(self._encode_again(first, *ready).taken_by(source), estimate=estimate)

    def estimate_camera(self, picture: Picture, lens: Camera | None = None) -> CameraEstimate:
        """As ``featurenerf.estimate_camera``, by this model."""
        return self._estimate(with_silhouette(to_tensor(picture)).to(self.device, self.dtype), lens)[1]

    def recognise(self, picture: Picture | Sequence[Picture]) -> dict[str, float]:
        """How likely a picture, or several of one object, shows each category, or "none of these".

        The recogniser may tell apart more categories than the model knows.

        Raises:
            InputError: for an unreadable picture, or when the model has no recogniser.
        """
        return recognised(self.recogniser, self.frozen, picture)

    @property
    def _categories(self) -> tuple[str, ...]:
        """What it was trained on; none where that is not known."""
        return tuple(getattr(getattr(self, "config", None), "categories", ()))

    def refuse_unknown(self, picture: Picture | Sequence[Picture], name: str = "the picture") -> None:
        """Raises UnknownObjectError where none of the model's categories is the likeliest; ``encode`` never does.

        Without a recogniser all pass.
        """
        if self.recogniser is not None:
            check_known(self.recognise(picture), self._categories or self.recogniser.categories, name)

    def _estimate(self, picture: Float[Tensor, "4 h w"], lens: Camera | None) -> tuple[VolumeField, CameraEstimate]:
        """The field of a picture in the world of an assumed camera, and what it says of the true one; where that is
        nothing, the object may be smaller or larger in the picture than was assumed."""
        assumed, looks = assumed_camera(picture.shape[2], picture.shape[1], lens), list[tuple[Any, CameraEstimate]]()
        for size in SIZES:
            ready, source = self._ready([picture], [nearer(assumed, size)])
            first = replace(self._encode(*ready, assumed=True), source=source)
            looks.append((first, estimated_camera(first)))
            if looks[-1][1].found or "coordinate" not in first.channels:
                return looks[-1]
        return looks[0]

    def _ready(
        self,
        pictures: Sequence[Float[Tensor, "4 _h _w"]],
        cameras: Sequence[Camera],
        masks: Sequence[Bool[Tensor, "_h _w"] | None] | None = None,
    ) -> tuple[tuple[Float[Tensor, "1 v 4 h w"], Camera], Camera]:
        """Pictures and cameras as ``_encode`` takes them, and the source cameras as one batch.

        Args:
            masks: where the object is in each picture, as far as that was given.
        """
        for camera in cameras:
            if not isinstance(camera, Camera):
                raise InputError(
                    f"a camera is a featurenerf.Camera, not {type(camera).__name__}: a pose becomes one by "
                    "Camera.from_pose (OpenGL's axes) or Camera.from_opencv"
                )
        cameras = [one.to(self.device) for camera in cameras for one in _each(camera)]
        if len(cameras) != len(pictures):
            raise InputError(f"{len(pictures)} pictures came with {len(cameras)} cameras")
        for picture, cam in zip(pictures, cameras, strict=True):
            if tuple(picture.shape[1:]) != (cam.height, cam.width):
                raise InputError(
                    f"a picture of {picture.shape[2]} x {picture.shape[1]} pixels came with a camera of "
                    f"{cam.width} x {cam.height}: resize one of them (Camera.resize)"
                )
        for number, cam in enumerate(cameras, 1):
            mask = None if masks is None else masks[number - 1]
            problem = misplaced(cam) or (None if mask is None else misframed(cam, mask))
            if problem is not None:
                raise InputError(problem if len(cameras) == 1 else f"picture {number}: {problem}")
        ready = [self._canonicalise(t[None], c.reshape(1)) for t, c in zip(pictures, cameras, strict=True)]
        warped, canonical = zip(*ready, strict=True)
        if len({each.shape for each in warped}) > 1:
            raise InputError("this model takes several pictures only if they have one size")
        source = Camera.stack([c.resize(cameras[0].width, cameras[0].height) for c in cameras])
        return (torch.stack(warped, 1), Camera.stack(canonical, 1)), source

    def _encode_again(self, field: Any, pictures: Float[Tensor, "1 1 4 h w"], cameras: Camera) -> VolumeField:
        """The field of one picture whose camera was assumed, now that the camera is found."""
        return self._encode(pictures, cameras, assumed=True)

    def encode_batch(
        self, pictures: Float[Tensor, "b v c h w"], cameras: Camera, framing: Float[Tensor, "b v 4"] | None = None
    ) -> VolumeField:
        """B objects with V views each to a batched field; ``cameras`` has batch shape (B, V).

        Args:
            pictures: RGB on black, or RGBA.
            framing: how the pictures that the network sees are framed, where not as the canonical camera would: as
                those whose camera is not quite known (``warp.reframed``).
        """
        b, v = pictures.shape[:2]
        if tuple(cameras.batch_shape) != (b, v):
            raise InputError(f"pictures of batch shape {(b, v)} came with cameras of {tuple(cameras.batch_shape)}")
        odd = None if framing is None else framing.flatten(0, 1)
        flat, canonical = self._canonicalise(with_silhouette(pictures.flatten(0, 1)), cameras.reshape(b * v), odd)
        field = self._encode(flat.unflatten(0, (b, v)), canonical.reshape(b, v))
        return replace(field, source=cameras)

    def _canonicalise(
        self, pictures: Float[Tensor, "n 4 h w"], cameras: Camera, framing: Float[Tensor, "n 4"] | None = None
    ) -> tuple[Tensor, Camera]:
        if self.canonical is None:
            return pictures, cameras
        # not in half precision: pictures cannot be resized in it on every device
        exact = pictures.float() if pictures.dtype in (torch.float16, torch.bfloat16) else pictures
        warped, target = canonicalise(exact, cameras, self.canonical, framing)
        return warped.to(pictures.dtype), target


def _each(camera: Camera) -> list[Camera]:
    """A batch's cameras; one that is no batch is itself."""
    flat = camera.reshape(camera.batch_shape.numel())
    return [flat[number] for number in range(flat.batch_shape[0])] if camera.batch_shape else [camera]
