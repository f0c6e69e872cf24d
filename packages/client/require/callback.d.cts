import face = require('../dist/astro/callback-route.js')
export = face
