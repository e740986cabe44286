"""Run by Debian's own Python with PyQGIS: open files with their default style, say what QGIS shows, draw a map.

/usr/bin/python3 tests/qgis_look.py MAP.png FILE...   -> one JSON line for each layer

Of a project, the layers that it shows are drawn.
"""

import json
import os
import sys

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
from qgis.core import (  # type: ignore[import-not-found]
    QgsApplication,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsProject,
    QgsProviderRegistry,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize  # type: ignore[import-not-found]
from qgis.PyQt.QtGui import QColor  # type: ignore[import-not-found]

application = QgsApplication([], False)
application.initQgis()
layers = []
for path in sys.argv[2:]:
    if path.endswith(".qgz"):
        project = QgsProject.instance()
        if not project.read(path) or not project.crs().isValid():
            sys.exit(f"{path}: is no project with a CRS")
        layers += [node.layer() for node in project.layerTreeRoot().findLayers() if node.isVisible()][::-1]
    elif path.endswith(".gpkg"):
        for sub in QgsProviderRegistry.instance().querySublayers(path):
            if sub.name() != "layer_styles":
                layers.append(QgsVectorLayer(f"{path}|layername={sub.name()}", sub.name(), "ogr"))
    else:
        layers.append(QgsRasterLayer(path, os.path.basename(path)))
for layer in layers:
    facts = {
        "name": layer.name(),
        "valid": layer.isValid(),
        "crs": layer.crs().authid(),
        "renderer": layer.renderer().type(),
    }
    if isinstance(layer, QgsRasterLayer):
        facts["legend"] = [(text, colour.name()) for text, colour in layer.legendSymbologyItems()]
    else:
        facts["features"] = layer.featureCount()
        facts["aliases"] = {f.name(): f.displayName() for f in layer.fields()}
        facts["fill"] = layer.renderer().symbol().color().name() if layer.renderer().type() == "singleSymbol" else None
    print(json.dumps(facts))
settings = QgsMapSettings()
settings.setLayers(
    [x for x in layers if isinstance(x, QgsVectorLayer)][::-1]
    + [x for x in layers if not isinstance(x, QgsVectorLayer)]
)
settings.setDestinationCrs(layers[0].crs())
settings.setExtent(layers[0].extent())
settings.setOutputSize(QSize(1000, 1000))
settings.setBackgroundColor(QColor("white"))
job = QgsMapRendererSequentialJob(settings)
job.start()
job.waitForFinished()
job.renderedImage().save(sys.argv[1])
application.exitQgis()
