// Sets light or dark as it was chosen before anything is seen. Not a module, which would come too late for that.
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("nibble.theme");
  } catch {
    // Where nothing may be stored it is as the system has it.
  }
  if (chosen === "light" || chosen === "dark") {
    document.querySelector("meta[name=color-scheme]")?.setAttribute("content", chosen);
  }
}
