// Package config reads the service's configuration: one YAML file that says
// where data lives, who may connect, and how channels are reached.
//
//	data: /var/lib/onhand
//	nats: {url: "nats://10.0.0.5:4222", replicas: 3}
//	channels:
//	  email: {type: webhook, url: https://mail.example.com/hook, secrets: ["${MAIL_SECRET}"], rate: 50}
//
// Reference has every key, with what it means.
//
// "${NAME}" as a whole value is taken from the environment, so that the file
// holds no secret. Everything that is wrong is told at once, each fault with
// FILE:LINE:COL, what, and what to do.
package config
