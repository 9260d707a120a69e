// Draws the API description that the page names. A script of its own, because the page's policy forbids inline ones.
"use strict";

// Swagger UI has a dark theme but only its top bar, which this page leaves out, would switch it on.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

SwaggerUIBundle({
  url: document.body.dataset.spec,
  dom_id: "#swagger-ui",
  layout: "BaseLayout",
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  // A token typed here is gone with the tab: a shared computer must not keep it.
  persistAuthorization: false,
  // A link to this page must not be able to show another server's description under our name.
  queryConfigEnabled: false,
  // Otherwise the description is sent to a public validator.
  validatorUrl: null,
});
