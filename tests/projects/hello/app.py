from hello.server import serve

serve()
