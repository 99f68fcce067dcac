package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"

	"onhand/processor"
	"onhand/processor/worker"
)

// hopHeader marks a request that a worker has passed on. It is passed on once:
// two workers that disagree about an owner do not play ball with it.
const hopHeader = "X-Onhand-Hop"

// What an answer says about itself.
const (
	partitionHeader = "Onhand-Partition"
	positionHeader  = "Onhand-Position" // last record of the partition's log that the answer knows
	ageHeader       = "Onhand-Age"      // ms since when there may be more; 0 = there was no more
	roleHeader      = "Onhand-Role"     // who answers: owner, or standby
)

// freshness reads what a request says about how fresh the answer must be.
func freshness(r *http.Request) (o worker.ReadOptions, err error) {
	q := r.URL.Query()
	if o.Standby, err = flag(r, "standby"); err != nil {
		return o, err
	}
	switch at := q.Get("min_position"); at {
	case "":
	case "end":
		o.End = true
	default:
		if o.Position, err = strconv.ParseUint(at, 10, 64); err != nil {
			err = &problem{Status: http.StatusBadRequest, Detail: "min_position is a number, of the Onhand-Position header of an earlier answer, or end"}
		}
	}
	return o, err
}

// at runs f on a partition: here, or by passing the request on to its owner,
// or with consent to its standby, which then answers; here is false in that case.
func (a *API) at(w http.ResponseWriter, r *http.Request, partition int, f func(*processor.Machine)) (here bool, err error) {
	o, err := freshness(r)
	if err != nil {
		return true, err
	}
	x, err := a.Worker.Read(r.Context(), partition, o, f)
	var behind *worker.BehindError
	switch {
	case errors.Is(err, worker.ErrNotOwned):
		owner, standby := a.Worker.Place(partition)
		if !o.Standby {
			standby = ""
		}
		if owner != "" && owner != a.ID {
			return false, a.forward(w, r, owner, standby)
		}
		w.Header().Set("Retry-After", "1")
		return true, &problem{Status: http.StatusServiceUnavailable, Detail: err.Error()}
	case errors.As(err, &behind):
		w.Header().Set("Retry-After", "1")
		return true, &problem{Status: http.StatusServiceUnavailable, Detail: err.Error()}
	case err != nil:
		return true, err
	}
	h := w.Header()
	h.Set(partitionHeader, strconv.Itoa(partition))
	h.Set(positionHeader, strconv.FormatUint(x.Position, 10))
	h.Set(ageHeader, strconv.FormatInt(x.Age.Milliseconds(), 10))
	h.Set(roleHeader, "owner")
	if x.Standby {
		h.Set(roleHeader, "standby")
	}
	return true, nil
}

// forward passes a request on to another worker; when that does not answer, to
// the next one, if there is one.
func (a *API) forward(w http.ResponseWriter, r *http.Request, to, next string) error {
	address := a.Address(to)
	if r.Header.Get(hopHeader) != "" || address == "" {
		return &problem{Status: http.StatusMisdirectedRequest, Detail: "the partition has just moved, or its owner is not known; repeat the request"}
	}
	proxy := httputil.ReverseProxy{
		Transport: a.transport,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "http", Host: address})
			p.Out.Header.Set(hopHeader, a.ID)
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if next != "" && next != a.ID && r.Method == http.MethodGet && r.Context().Err() == nil {
				if a.forward(w, r, next, "") == nil {
					return
				}
			}
			w.Header().Set("Retry-After", "1")
			a.fail(w, r, &problem{Status: http.StatusBadGateway, Detail: "the owner of the partition does not answer: " + err.Error()})
		},
	}
	proxy.ServeHTTP(w, r)
	return nil
}

// hop asks another worker something in the name of a request, which it answers
// itself, and decodes the answer into v; nil = it is not wanted.
func (a *API) hop(ctx context.Context, r *http.Request, method, address, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", r.Header.Get("Authorization"))
	req.Header.Set(hopHeader, a.ID)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode != http.StatusOK:
		return errors.New(resp.Status)
	case v == nil:
		return nil
	}
	return json.NewDecoder(http.MaxBytesReader(nil, resp.Body, maxHopBytes)).Decode(v)
}

// maxHopBytes bounds the answer of another worker.
const maxHopBytes = 4 << 20

// partitionOf returns the partition of an id.
func (a *API) partitionOf(id string) int {
	return processor.PartitionOf(processor.Hash(id), a.Log.Partitions())
}

// maxIDs bounds the ids one after the other that a customer is looked for under.
const maxIDs = 64

// customer answers what is known of one customer, under whichever of their ids.
func (a *API) customer(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	for range maxIDs {
		var view processor.CustomerView
		known := false
		here, err := a.at(w, r, a.partitionOf(id), func(m *processor.Machine) { view, known = m.CustomerView(id) })
		if !here || err != nil || !known || view.KeptBy == "" {
			return answer(w, here, known, err, view)
		}
		id = view.KeptBy
		r = elsewhere(w, r, "/api/v1/customers/", id)
	}
	return &problem{Status: http.StatusInternalServerError, Detail: fmt.Sprintf("more than %d ids point at each other", maxIDs)}
}

// elsewhere returns the same question about another id, perhaps of another
// partition: it may be passed on again, and positions of this one mean nothing
// there.
func elsewhere(w http.ResponseWriter, r *http.Request, path, id string) *http.Request {
	for _, h := range [...]string{partitionHeader, positionHeader, ageHeader, roleHeader} {
		w.Header().Del(h)
	}
	r = r.Clone(r.Context())
	r.Header.Del(hopHeader)
	q := r.URL.Query()
	if q.Get("min_position") != "end" {
		q.Del("min_position")
	}
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = path+id, path+url.PathEscape(id), q.Encode()
	return r
}

// item answers what is known of one item.
func (a *API) item(w http.ResponseWriter, r *http.Request) error {
	sku, known := r.PathValue("sku"), false
	var view processor.ItemView
	here, err := a.at(w, r, a.partitionOf(sku), func(m *processor.Machine) { view, known = m.ItemView(sku) })
	return answer(w, here, known, err, view)
}

func answer(w http.ResponseWriter, here, known bool, err error, view any) error {
	switch {
	case !here || err != nil:
		return err
	case !known:
		return &problem{Status: http.StatusNotFound, Detail: "nothing is known under this id"}
	}
	return reply(w, view)
}
