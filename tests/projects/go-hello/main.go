package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/plain", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "go", os.Getenv("PAAS_RELEASE")) })
	panic(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
