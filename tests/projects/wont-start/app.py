def start():
    raise RuntimeError("the settings do not make sense")


start()
