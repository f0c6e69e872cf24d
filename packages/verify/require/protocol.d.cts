import face = require('../dist/protocol/index.js')
export = face
