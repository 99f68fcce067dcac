// Package config reads the service's configuration: one YAML file that says
// where data lives, who may connect, and how channels are reached.
//
//	data: ./data                     # default
//	http: 127.0.0.1:7070             # default; any other host demands keys
//	moments: moments.yaml            # activated on a new deployment
//	partitions: 16                   # fixed when the deployment is created
//	sync: always                     # or interval: a power failure may take two seconds
//	memory: 1GiB                     # limit of the process
//	nats:
//	  url: nats://10.0.0.5:4222      # of other servers; else one is embedded
//	  listen: 127.0.0.1:4222         # the embedded one, for other processes
//	  users: [{name: till, password: "${TILL_PASSWORD}", publish: [onhand.ingest.>]}]
//	keys:
//	  write: {shop: "${SHOP_KEY}"}   # source: key
//	  read: ["${READ_KEY}"]
//	  operate: ["${OPERATE_KEY}"]
//	channels:
//	  email: {type: webhook, url: https://mail.example.com/hook, secrets: ["${MAIL_SECRET}"], rate: 50}
//	  ads:   {type: file, path: ads.ndjson}
//
// "${NAME}" as a whole value is taken from the environment, so that the file
// holds no secret. Everything that is wrong is told at once, each fault with
// FILE:LINE:COL, what, and what to do.
package config
