# make demo: virtual environment, install, the whole pipeline on the sample data.   make test: the test suite.
PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= 2
BIN    := $(VENV)/bin
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test check qgis-check clean
demo: $(VENV)/.installed
	$(BIN)/geoseg demo -o demo --sheets sample_data/sheets

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.installed: pyproject.toml
	sh tests/preflight.sh $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[openvino]'
	$(BIN)/python -c 'import rasterio, torchvision, geoseg.cli.main'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[openvino,onnx,dev]'
	touch $@

# Opens every output of the demo in Debian's own QGIS, headless: names, colours, styles, CRS, feature counts; draws demo/qgis.png.
qgis-check: demo $(VENV)/.installed-dev
	/usr/bin/python3 -c 'import qgis.core' || { echo "no PyQGIS: apt-get install python3-qgis" >&2; exit 1; }
	$(BIN)/python -m pytest -q -m qgis tests/gis/test_qgis.py
	/usr/bin/python3 tests/qgis_look.py demo/qgis.png demo/run/out/*.qgz
	@echo "look at demo/qgis.png"

clean:
	rm -rf $(VENV) demo build dist
