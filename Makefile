# Every line below can be typed by hand, in this order, on a machine without make.

.PHONY: demo test

demo:
	python3 -m venv .venv
	.venv/bin/pip install -q -c constraints.txt -e .
	.venv/bin/archsearch run hare_lynx --trials 40 --seed 0
	.venv/bin/archsearch score last --on test
	.venv/bin/archsearch report last -o demo/report.html --figures demo
	.venv/bin/archsearch export last -o demo/hare_lynx.py

test:
	python3 -m venv .venv
	.venv/bin/pip install -q -c constraints.txt -e ".[dev]"
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/pytest -n 2
