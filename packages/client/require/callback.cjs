// Node 20.19 or newer loads ES modules by require, so there is one copy of each.
module.exports = require('../dist/astro/callback-route.js')
