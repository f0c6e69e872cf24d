import face = require('../dist/astro/index.js')
export = face
