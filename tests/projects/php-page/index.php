<?php
header('Content-Type: text/plain');
echo 'php ', getenv('PAAS_RELEASE'), ' ', $_SERVER['REQUEST_URI'], "\n";
