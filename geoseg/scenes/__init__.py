"""Procedural Potsdam-like scenes with exact labels, height and truth polygons.

layout.py    seed -> streets, buildings, trees, cars, clutter as frozen values, in metres
outlines.py  each object -> its exact outline; painter's order -> labels and truth coverage
noise.py     textures as functions of absolute position (a part equals the crop of the whole)
paint.py     objects -> albedo and height
light.py     albedo and height -> an aerial photo (sun, cast shadows, sky, camera)
scene.py     the door: `Scene(seed, ...)`, its windows, labels, truth
"""
