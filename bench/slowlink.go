package main

import (
	"strings"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// slowLink puts a millisecond of round trip in front of an address.
func slowLink(addr string) (slow string, closeLink func(), err error) {
	proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "redis", "127.0.0.1:0", addr)
	if err := proxy.Start(); err != nil {
		return "", nil, err
	}
	_, err = proxy.Toxics.AddToxicJson(strings.NewReader(`{"type": "latency", "stream": "downstream", "attributes": {"latency": 1}}`))
	return proxy.Listen, proxy.Stop, err
}
