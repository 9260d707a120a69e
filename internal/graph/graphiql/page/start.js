// Draws GraphiQL. A script of its own, because the page's policy forbids inline ones.
"use strict";

const query = `# The GraphQL API of Propusk.
#
# 1. Write your email and password into Variables
#    below, press the play button, choose LogIn.
# 2. Copy the access_token of the answer into
#    Headers below, behind "Bearer ".
# 3. Press the play button, choose Me.
#
# Docs, at the left, tell what else there is.
# Nothing that you write here outlives the tab.

mutation LogIn($email: String!, $password: String!) {
  login(email: $email, password: $password) {
    error
    access_token
  }
}

query Me {
  me {
    name
  }
}
`;

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    // Relative, as all the page's addresses, so that it is found below a proxy's prefix too.
    fetcher: GraphiQL.createFetcher({ url: "graphql", enableIncrementalDelivery: false }),
    query,
    variables: JSON.stringify({ email: "", password: "" }, null, 2),
    defaultHeaders: JSON.stringify({ Authorization: "Bearer " }, null, 2),
    // Of further tabs.
    defaultQuery: "",
    // A shared computer must not keep a token or a password, and the history would hold both, whatever is said of headers.
    storage: null,
    shouldPersistHeaders: false,
    showPersistHeadersSettings: false,
  }),
);
