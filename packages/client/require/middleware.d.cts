import face = require('../dist/astro/entry.js')
export = face
