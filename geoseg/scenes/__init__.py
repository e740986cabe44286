"""Procedural Potsdam-like scenes with exact labels, height and truth polygons.

objects.py    streets, buildings, cars, trees, clutter and the layout of a scene, as frozen values in metres
quarters.py   kinds of town, and the random style of a scene
layout.py     seed -> layout; site.py (ground that is taken), houses.py, parking.py
outlines.py   each object -> its exact outline; the order in which outlines cover each other
noise.py      textures as functions of absolute position (a part equals the crop of the whole)
paint.py      objects -> albedo and height; canvas.py, streets.py, roofs.py
light.py      albedo and height -> an aerial photo (sun, cast shadows, sky, camera)
scene.py      the door: `Scene(seed, ...)`, its windows, labels and truth
"""
