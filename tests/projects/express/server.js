const express = require("express");
const app = express();
app.get("/plain", (request, response) => response.type("text").send(`express ${process.env.PAAS_RELEASE} ${process.env.NODE_ENV}\n`));
app.listen(process.env.PORT, "127.0.0.1");
