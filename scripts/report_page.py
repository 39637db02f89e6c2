#!/usr/bin/env python3
"""report_page.py loads pages of `gen report` in headless Chromium and takes
screenshots in light and dark, wide and on a phone, and as printed.

    scripts/report_page.py --driver http://127.0.0.1:9515 --shots DIR REPORT.html...

It prints a line for each thing that holds and ends with exit status 1 at the first
that does not.
"""

import argparse
import base64
import os
import pathlib
import sys

from live_page import Browser

SIZES = ("wide", 1280, 900), ("phone", 390, 844)


def must(holds, what):
    if not holds:
        sys.exit(f"report_page.py: {what}")
    print("ok:", what)


def outside(browser):
    """Returns the drawings out of which a text sticks. The box of a text has some
    pixels around its letters."""
    return browser.run(
        "return [...document.querySelectorAll('svg')].filter((svg) => { const box = svg.getBoundingClientRect();"
        " return [...svg.querySelectorAll('text')].some((t) => { const b = t.getBoundingClientRect();"
        " return b.left < box.left - 3 || b.right > box.right + 3 || b.top < box.top - 3 || b.bottom > box.bottom + 3 }) })"
        ".map((svg) => svg.getAttribute('aria-label'))"
    )


def check(browser, page, shots):
    name = pathlib.Path(page).stem
    browser.do("/url", {"url": pathlib.Path(page).resolve().as_uri()})
    must(browser.run("return document.querySelector('h1').textContent") == "gen report", f"{name} is a report")
    drawings = browser.run("return document.querySelectorAll('svg').length")
    labels = browser.run("return [...document.querySelectorAll('svg')].filter((e) => e.getAttribute('aria-label') && e.getAttribute('role') == 'img').length")
    must(drawings >= 3 and labels == drawings, f"{name}: {drawings} drawings, each with a text for those who do not see it")
    loaded = browser.run("return performance.getEntriesByType('resource').map((e) => e.name)")
    must(not loaded, f"{name}: nothing is loaded from elsewhere{loaded or ''}")
    must(browser.run("return document.scripts.length") == 0, f"{name}: no script")
    inks = []
    for scheme in "light", "dark":
        for kind, width, height in SIZES:
            browser.look(scheme, width, height)
            across = browser.run("return document.documentElement.scrollWidth")
            must(across <= width, f"{name}, {scheme}, {kind}: {across} pixels across of {width}")
            wider = browser.run("return [...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth).length")
            must(wider == 0, f"{name}, {scheme}, {kind}: no table is wider than its place")
            cut = outside(browser)
            must(not cut, f"{name}, {scheme}, {kind}: no text sticks out of its drawing{cut or ''}")
            browser.screenshot(os.path.join(shots, f"{name}-{scheme}-{kind}.png"))
        inks.append(browser.run("return [...document.querySelectorAll('svg path, svg text')].map((e) => getComputedStyle(e).fill + getComputedStyle(e).stroke)"))
    same = sum(a == b for a, b in zip(*inks))
    must(same == 0, f"{name}: each of {len(inks[0])} lines and texts has one colour in light and another in dark")
    must(browser.run("const s = document.createElement('script'); s.textContent = 'window.foreign = 1'; document.body.append(s); return window.foreign === undefined"), f"{name}: control: a script is refused")


def printed(browser, page, shots):
    """The page as it is printed from a browser that is dark."""
    name = pathlib.Path(page).stem
    browser.do("/url", {"url": pathlib.Path(page).resolve().as_uri()})
    browser.cdp("Emulation.setDeviceMetricsOverride", width=760, height=1075, deviceScaleFactor=1, mobile=False)
    browser.cdp("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    must(ground == "rgb(255, 255, 255)", f"{name}: printed on white, also from a dark screen: {ground}")
    browser.screenshot(os.path.join(shots, f"{name}-print.png"))
    pdf = base64.b64decode(browser.cdp("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=True)["data"])
    with open(os.path.join(shots, f"{name}.pdf"), "wb") as f:
        f.write(pdf)
    pages = pdf.count(b"/Type /Page") - pdf.count(b"/Type /Pages")
    must(1 <= pages <= 4, f"{name}: {pages} pages of A4")
    browser.cdp("Emulation.setEmulatedMedia", media="")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="+")
    parser.add_argument("--driver", required=True)
    parser.add_argument("--shots", required=True)
    args = parser.parse_args()
    browser = Browser(args.driver)
    try:
        for page in args.pages:
            check(browser, page, args.shots)
            printed(browser, page, args.shots)
    finally:
        browser.close()


if __name__ == "__main__":
    main()
