"""The pages, filled in once: nothing in them changes while a release runs."""

import os

from hello import settings

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(*path):
    with open(os.path.join(HERE, *path), encoding="utf-8") as file:
        return file.read()


VERSION = read("VERSION").strip()


def render():
    return (
        read("templates", "page.html")
        .replace("{version}", VERSION)
        .replace("{what}", settings.WHAT)
        .replace("{project}", settings.PROJECT)
        .replace("{environment}", settings.ENVIRONMENT)
        .encode()
    )


def style():
    return read("static", "style.css").encode()
