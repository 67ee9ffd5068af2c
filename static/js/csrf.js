// What Django wants to see with a POST. The cookie's, not the page's: signing in again in another tab makes a new one,
// and this page goes on with it.
"use strict";
const csrfToken = (form) => /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] || form.elements.csrfmiddlewaretoken.value;
