import face = require('../dist/astro/login-route.js')
export = face
