#!/usr/bin/env python3
"""live_page.py loads the live page of a running `gen stream --http` in headless
Chromium, compares what it shows with /metrics, and takes screenshots.

    scripts/live_page.py http://127.0.0.1:9464/ --driver http://127.0.0.1:9515 --shots DIR

It speaks the W3C WebDriver protocol to a chromedriver. It prints a line for each
thing that holds and ends with exit status 1 at the first that does not.
"""

import argparse
import base64
import json
import os
import re
import sys
import time
import urllib.request


class Browser:
    """A session of a chromedriver."""

    def __init__(self, driver):
        self.driver = driver
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]}
        capabilities = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self.session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.driver + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)["value"]

    def do(self, path, body):
        return self.call("POST", f"/session/{self.session}{path}", body)

    def cdp(self, command, **params):
        return self.do("/goog/cdp/execute", {"cmd": command, "params": params})

    def run(self, script):
        return self.do("/execute/sync", {"script": script, "args": []})

    def look(self, scheme, width, height):
        """Shows the page in a colour scheme, at a size in CSS pixels."""
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)

    def screenshot(self, path):
        shot = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        with open(path, "wb") as f:
            f.write(base64.b64decode(shot["data"]))

    def close(self):
        self.call("DELETE", f"/session/{self.session}")


def metrics(url):
    """Returns the samples of /metrics by name and labels."""
    with urllib.request.urlopen(url + "metrics", timeout=10) as response:
        text = response.read().decode()
    return {m[1]: float(m[2]) for m in re.finditer(r"^([^#\s][^\s]*(?:\{.*\})?) (\S+)$", text, re.M)}


def must(holds, what):
    if not holds:
        sys.exit(f"live_page.py: {what}")
    print("ok:", what)


def text(browser, element):
    return browser.run(f"return document.getElementById('{element}').textContent")


def number(browser, element):
    return int(re.sub(r"[^0-9]", "", text(browser, element)))


def within(browser, element, read):
    """Tells whether a figure on the page lies between two readings around it."""
    for _ in range(5):  # the page is up to a second old
        before = read()
        time.sleep(1.5)
        shown = number(browser, element)
        after = read()
        if before <= shown <= after and after > 0:
            return f"{before:.0f} <= {shown} <= {after:.0f}"
    return None


def check(browser, url, shots):
    browser.do("/url", {"url": url})
    for _ in range(100):
        if browser.run("return live !== null && live.samples.length > 2"):
            break
        time.sleep(0.1)
    must(text(browser, "state") in ("running", "catching up", "waiting"), f"the page says: {text(browser, 'state')}")
    for element, name in ("events", "gen_events_committed_total"), ("next", "gen_next_event"), ("wanted", "gen_schedule_rate"):
        found = within(browser, element, lambda name=name: metrics(url)[name])
        must(found, f"the page's {element} is {name}: {found}")
    counts = browser.run("return live.ratings.map((r) => r.count)")
    must(len(counts) == 10 and sum(counts) == browser.run("return live.counted"), f"ten ratings, {sum(counts)} in all")
    columns = browser.run("return document.querySelectorAll('#ratings .column').length")
    genres = browser.run("return document.querySelectorAll('#genres li').length")
    known = sum(name.startswith("gen_genre_events_total") for name in metrics(url))
    must(columns == 10 and genres == known, f"ten columns and {genres} genres are drawn")
    drawn = browser.run("return document.querySelector('#rate-chart path.a').getAttribute('d').length")
    must(drawn > 10, "the rate is drawn")
    unlabelled = browser.run("return [...document.querySelectorAll('svg')].filter((e) => !e.getAttribute('aria-label')).length")
    must(unlabelled == 0, "each drawing has a label")
    outside = browser.run("return performance.getEntriesByType('resource').map((e) => e.name)")
    must(all(name.startswith(url) for name in outside), f"nothing is loaded from outside: {len(outside)} requests")
    for scheme in "light", "dark":
        for kind, width, height in ("wide", 1200, 900), ("phone", 390, 844):
            browser.look(scheme, width, height)
            time.sleep(1.5)  # the next drawing
            across = browser.run("return document.documentElement.scrollWidth")
            must(across <= width, f"{scheme}, {kind}: {across} pixels across of {width}")
            browser.screenshot(os.path.join(shots, f"{scheme}-{kind}.png"))
    grounds = []
    for scheme in "light", "dark":
        browser.look(scheme, 1200, 900)
        grounds.append(browser.run("return getComputedStyle(document.body).backgroundColor"))
    must(grounds[0] != grounds[1], f"light is not dark: {grounds[0]}, {grounds[1]}")
    log = [entry for entry in browser.do("/se/log", {"type": "browser"}) if entry["level"] in ("SEVERE", "WARNING")]
    must(not log, "the browser complains of nothing" + (f": {len(log)} lines, {log[0]['message']}" if log else ""))
    # The policy must be able to refuse: a script that is not the page's own.
    browser.run("const s = document.createElement('script'); s.textContent = 'window.foreign = 1'; document.body.append(s)")
    must(browser.run("return window.foreign === undefined"), "control: a foreign script is refused")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--driver", required=True)
    parser.add_argument("--shots", required=True)
    args = parser.parse_args()
    browser = Browser(args.driver)
    try:
        check(browser, args.url, args.shots)
    finally:
        browser.close()


if __name__ == "__main__":
    main()
