import face = require('../dist/index.js')
export = face
