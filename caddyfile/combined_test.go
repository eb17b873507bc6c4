package caddyfile

import (
	_ "github.com/caddyserver/caddy/v2/modules/logging" // the formats that wrap ours

	_ "github.com/caddy-ec2/caddy-ec2/combinedlog"
)
