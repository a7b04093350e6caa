import os

from flask import Flask

app = Flask(__name__)


@app.get("/plain")
def plain():
    return f"flask {os.environ['PAAS_RELEASE']}\n", {"Content-Type": "text/plain"}
