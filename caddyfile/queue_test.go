package caddyfile

import _ "github.com/caddy-ec2/caddy-ec2/logqueue"
