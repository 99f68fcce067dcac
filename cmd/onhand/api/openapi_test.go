package api

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every route is in the document, with its role, and nothing else is.
func TestOpenAPIDescribesEveryRoute(t *testing.T) {
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string           `json:"operationId"`
			Role        string           `json:"x-role"`
			Security    *json.RawMessage `json:"security"`
			Responses   map[string]any   `json:"responses"`
			Parameters  []struct {
				Name string `json:"name"`
				In   string `json:"in"`
			} `json:"parameters"`
		} `json:"paths"`
	}
	require.NoError(t, json.Unmarshal(openAPI, &doc))
	require.True(t, strings.HasPrefix(doc.OpenAPI, "3.1."))
	names := map[role]string{reader: "read", operator: "operate"}
	var described, ids []string
	for path, methods := range doc.Paths {
		for method, op := range methods {
			described = append(described, strings.ToUpper(method)+" "+path)
			ids = append(ids, op.OperationID)
			require.Contains(t, op.Responses, "default", path)
		}
	}
	var served []string
	for _, r := range routes {
		path := strings.TrimSuffix(r.path, "{$}")
		served = append(served, r.method+" "+path)
		op := doc.Paths[path][strings.ToLower(r.method)]
		require.Equal(t, names[r.role], op.Role, r.path)
		require.Equal(t, r.role == public, op.Security != nil, r.path)
		for part := range strings.SplitSeq(path, "/") {
			if name, found := strings.CutPrefix(part, "{"); found {
				require.True(t, slices.ContainsFunc(op.Parameters, func(p struct {
					Name string `json:"name"`
					In   string `json:"in"`
				}) bool {
					return p.In == "path" && p.Name+"}" == name
				}), r.path)
			}
		}
	}
	require.ElementsMatch(t, served, described)
	slices.Sort(ids)
	require.Len(t, slices.Compact(ids), len(routes))
}
