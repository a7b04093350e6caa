document.getElementById("greeting").textContent = "built by vite for " + import.meta.env.VITE_AUDIENCE;
