package config

import (
	"fmt"

	"gopkg.in/yaml.v3"

	"onhand/connectors/segment"
	"onhand/connectors/voucher"
)

// accessKeys reads who may do what.
func (r *reader) accessKeys(n *yaml.Node, k *Keys) {
	secrets := func(n *yaml.Node) (all []string) {
		for _, e := range r.list(n) {
			all = append(all, r.key(e))
		}
		return all
	}
	of := map[string]string{} // sources, by write key
	own := func(source, value *yaml.Node) string {
		key := r.key(value)
		if other, taken := of[key]; taken && key != "" {
			r.at(value, fmt.Sprintf("source %q has the key of source %q", source.Value, other), "give each a key of its own")
		}
		of[key] = source.Value
		return key
	}
	r.fields(n, "keys", map[string]func(*yaml.Node){
		"read":    func(n *yaml.Node) { k.Read = secrets(n) },
		"operate": func(n *yaml.Node) { k.Operate = secrets(n) },
		"voucher": func(n *yaml.Node) {
			text := r.secret(n)
			key, err := voucher.NewKey(text)
			if err != nil && text != "" {
				r.at(n, "the key that signs vouchers is not 32 bytes in base64", "make one with openssl rand -base64 32")
			}
			k.Voucher = key
		},
		"write": func(n *yaml.Node) {
			k.Write = map[string]string{}
			r.each(n, "keys.write", func(source, value *yaml.Node) { k.Write[own(source, value)] = source.Value })
		},
		"pages": func(n *yaml.Node) {
			k.Pages = map[string]Page{}
			r.each(n, "keys.pages", func(source, value *yaml.Node) {
				key, p := "", Page{Source: source.Value}
				if value.Kind != yaml.MappingNode {
					k.Pages[own(source, value)] = p
					return
				}
				r.fields(value, "a key of pages", map[string]func(*yaml.Node){
					"key": func(n *yaml.Node) { key = own(source, n) },
					"also": func(n *yaml.Node) {
						for _, e := range r.list(n) {
							p.Also = append(p.Also, r.text(e))
							if _, err := (segment.Kinds{}).With(p.Also[len(p.Also)-1:]); err != nil {
								r.at(e, err.Error(), "write the name of an event of the contract, such as Order Completed, or alias")
							}
						}
					},
				}, "key")
				k.Pages[key] = p
			})
		},
	})
}
