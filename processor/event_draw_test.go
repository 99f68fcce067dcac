package processor

import (
	"reflect"

	"pgregory.net/rapid"
)

// fieldsOf returns, for each field of an event, a function that copies that
// field alone from full.
func fieldsOf(full *Event) map[string]func(*Event) {
	fields := map[string]func(*Event){}
	for i, v := 0, reflect.ValueOf(full).Elem(); i < v.NumField(); i++ {
		fields[v.Type().Field(i).Name] = func(e *Event) {
			reflect.ValueOf(e).Elem().Field(i).Set(v.Field(i))
		}
	}
	return fields
}

// drawEvent draws an event within the limits, each field set or not.
func drawEvent(t *rapid.T) Event {
	var e Event
	v := reflect.ValueOf(&e).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).Name == "Kind" || !rapid.Bool().Draw(t, "set") {
			continue
		}
		name := v.Type().Field(i).Name
		switch f := v.Field(i); f.Interface().(type) {
		case string:
			f.SetString(rapid.StringN(1, 64, MaxIDBytes).Draw(t, name))
		case int64:
			f.SetInt(rapid.Int64().Draw(t, name))
		case bool:
			f.SetBool(true)
		case Flag:
			f.SetUint(uint64(rapid.IntRange(0, 2).Draw(t, name)))
		case []byte:
			f.SetBytes(rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, name))
		case []string:
			f.Set(reflect.ValueOf(rapid.SliceOfN(rapid.StringN(0, 20, 80), 1, 5).Draw(t, name)))
		case []Product:
			f.Set(reflect.ValueOf(rapid.SliceOfN(rapid.Custom(drawProduct), 1, 5).Draw(t, name)))
		default:
			t.Fatalf("a field of type %s: draw it here and encode it", f.Type())
		}
	}
	e.Kind = Kind(rapid.IntRange(0, int(kinds)-1).Draw(t, "kind"))
	return e
}

func drawProduct(t *rapid.T) Product {
	text := rapid.OneOf(rapid.Just(""), rapid.StringN(1, 20, 80))
	return Product{
		SKU: text.Draw(t, "sku"), ProductID: text.Draw(t, "product"), Variant: text.Draw(t, "variant"), Category: text.Draw(t, "category"),
		Brand: text.Draw(t, "brand"), Price: rapid.Int64Range(0, 1<<40).Draw(t, "price"), Quantity: rapid.Int64Range(-1, 300).Draw(t, "quantity"),
		Gift: rapid.Bool().Draw(t, "gift"),
	}
}
