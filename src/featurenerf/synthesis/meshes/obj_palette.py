"""Colours that go by name in OBJ files without a material library.

Programs that descend from Java 3D's reader of OBJ files know them, Sweet Home 3D among them: the models that it brings
along use no others. Values are the diffuse colours, RGB in [0, 1].
"""

from __future__ import annotations

DIFFUSE: dict[str, tuple[float, float, float]] = {
    "amber": (0.5755, 0.2678, 0.0),
    "archwhite": (0.9959, 0.9959, 0.9959),
    "archwhite2": (0.8408, 0.8408, 0.8408),
    "black": (0.002, 0.002, 0.002),
    "bluegrey": (0.1881, 0.2786, 0.2898),
    "bluteal": (0.0776, 0.2571, 0.2041),
    "bone": (0.9, 0.7626, 0.4261),
    "bone2": (0.9837, 0.862, 0.6504),
    "brown": (0.0857, 0.0147, 0.0),
    "brownlips": (0.1429, 0.0653, 0.0408),
    "brzskin": (0.3796, 0.2898, 0.2122),
    "dkblue": (0.0, 0.0041, 0.0571),
    "dkdkgrey": (0.0122, 0.0122, 0.0122),
    "dkgrey": (0.049, 0.049, 0.049),
    "dkred": (0.2286, 0.0, 0.0),
    "flblack": (0.0041, 0.0041, 0.0041),
    "flblonde": (0.5714, 0.3283, 0.0443),
    "flbrown": (0.1102, 0.012, 0.0013),
    "fldkdkgrey": (0.0122, 0.0122, 0.0122),
    "fldkgrey": (0.0939, 0.0939, 0.0939),
    "flesh": (0.5265, 0.4127, 0.3374),
    "flgrey": (0.5, 0.5, 0.5),
    "flltbrown": (0.2776, 0.1143, 0.0531),
    "flltgrey": (0.8245, 0.8245, 0.8245),
    "florange": (1.0, 0.1667, 0.0),
    "fltan": (0.6612, 0.4567, 0.1295),
    "flwhite": (0.9837, 0.9309, 0.8392),
    "flwhite1": (1.0, 1.0, 1.0),
    "flyellow": (1.0, 0.6667, 0.0),
    "grey": (0.1837, 0.1837, 0.1837),
    "iris": (0.0, 0.0572, 0.3184),
    "jetflame": (0.951, 0.4939, 0.098),
    "lavendar": (0.2187, 0.0906, 0.3469),
    "lighttan": (0.702, 0.421, 0.2206),
    "lighttan2": (0.3143, 0.187, 0.0962),
    "lighttannew": (0.7878, 0.607, 0.3216),
    "ltgrey": (0.3837, 0.3837, 0.3837),
    "offwhite.warm": (0.8367, 0.6898, 0.449),
    "red": (0.7714, 0.0, 0.0),
    "redwood": (0.2571, 0.033, 0.0),
    "ruby": (1.0, 0.0, 0.0),
    "sand_stone": (0.1256, 0.1138, 0.0965),
    "ship2": (1.0, 1.0, 1.0),
    "silver": (0.6163, 0.6163, 0.6163),
    "sky_blue": (0.1241, 0.5931, 0.8),
    "tan": (0.6612, 0.5221, 0.2186),
    "teeth": (0.9837, 0.7959, 0.4694),
    "white": (1.0, 1.0, 1.0),
    "yellow": (1.0, 0.6667, 0.0),
    "yellow_green": (0.1875, 0.4082, 0.0017),
    "yellowbrt": (1.0, 0.7837, 0.0),
}


def material_library() -> bytes:
    """The colours as an MTL file."""
    lines = (f"newmtl {name}\nKd {red} {green} {blue}\n" for name, (red, green, blue) in DIFFUSE.items())
    return "".join(lines).encode()
