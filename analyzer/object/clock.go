package object

import (
	"reflect"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// setBack takes what a clock was ahead off all times in a decoded value.
func setBack(v reflect.Value, ahead time.Duration) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			setBack(v.Elem(), ahead)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		for i := range v.Len() {
			setBack(v.Index(i), ahead)
		}
	case reflect.Struct:
		switch t := v.Addr().Interface().(type) {
		case *metav1.Time:
			if !t.IsZero() {
				t.Time = t.Add(-ahead)
			}
		case *metav1.MicroTime:
			if !t.IsZero() {
				t.Time = t.Add(-ahead)
			}
		default:
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					setBack(v.Field(i), ahead)
				}
			}
		}
	}
}
