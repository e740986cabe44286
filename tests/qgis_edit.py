"""Run by Debian's own Python with PyQGIS: edit a map as people do, and save it.

/usr/bin/python3 tests/qgis_edit.py NAME.gpkg

One building goes, one is moved, one is drawn, a tree becomes low vegetation, and the first place gets a verdict.
"""

import os
import sys

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
from qgis.core import (  # type: ignore[import-not-found]
    QgsApplication,
    QgsFeature,
    QgsGeometry,
    QgsRectangle,
    QgsVectorLayer,
)

application = QgsApplication([], False)
application.initQgis()


def layer(name):
    found = QgsVectorLayer(f"{sys.argv[1]}|layername={name}", name, "ogr")
    assert found.isValid(), name
    found.startEditing()
    return found


def saved(edited):
    if not edited.commitChanges():
        sys.exit("; ".join(edited.commitErrors()))


houses = layer("buildings")
first, second = sorted(houses.getFeatures(), key=lambda f: f["id"])[:2]
houses.deleteFeature(first.id())
shape = second.geometry()
shape.translate(2, 0)
houses.changeGeometry(second.id(), shape)
new = QgsFeature(houses.fields())
box = houses.extent()
new.setGeometry(
    QgsGeometry.fromRect(QgsRectangle(box.xMaximum() + 1, box.yMinimum(), box.xMaximum() + 8, box.yMinimum() + 6))
)
houses.addFeature(new)
saved(houses)
trees = layer("trees")
tree = next(trees.getFeatures())
trees.changeAttributeValue(tree.id(), trees.fields().indexOf("class"), "low vegetation")
saved(trees)
places = layer("review")
place = min(places.getFeatures(), key=lambda f: f["rank"])
places.changeAttributeValue(place.id(), places.fields().indexOf("verdict"), "ok")
saved(places)
del houses, trees, places, first, second, new, tree, place
application.exitQgis()
