package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3 keeps blobs in a bucket. The service must honour If-None-Match on writes,
// as AWS, MinIO and Ceph do.
type S3 struct {
	core   minio.Core
	bucket string
	prefix string
}

// OpenS3 returns the blobs at s3://BUCKET[/PREFIX]. Parameters of the address:
// endpoint=HOST[:PORT] of another service than AWS, region=NAME, and tls=off.
// Keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, from
// ~/.aws/credentials, or from the machine's role. It fails when the bucket does
// not exist or may not be used, and when the service ignores If-None-Match; to
// know that, a blob conditional-writes is left there.
func OpenS3(ctx context.Context, address string) (*S3, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "s3" || u.Host == "" {
		return nil, fmt.Errorf("blob: %q is not s3://BUCKET/PREFIX", address)
	}
	q := u.Query()
	for k := range q {
		if !slices.Contains([]string{"endpoint", "region", "tls"}, k) {
			return nil, fmt.Errorf("blob: %q: parameter %s is not one of endpoint, region, tls", address, k)
		}
	}
	endpoint := q.Get("endpoint")
	if endpoint == "" {
		endpoint = "s3.amazonaws.com"
	}
	client, err := minio.New(endpoint, &minio.Options{
		Secure: q.Get("tls") != "off", Region: q.Get("region"),
		Creds: credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{},
		}),
	})
	if err != nil {
		return nil, fmt.Errorf("blob: %s: %w", address, err)
	}
	s := &S3{core: minio.Core{Client: client}, bucket: u.Host, prefix: strings.Trim(u.Path, "/")}
	if s.prefix != "" {
		if err := check(s.prefix); err != nil {
			return nil, err
		}
		s.prefix += "/"
	}
	ok, err := client.BucketExists(ctx, s.bucket)
	if err != nil {
		return nil, fmt.Errorf("blob: bucket %s at %s: %w", s.bucket, endpoint, err)
	}
	if !ok {
		return nil, fmt.Errorf("blob: there is no bucket %s at %s: create it", s.bucket, endpoint)
	}
	for range 2 {
		if err = s.Create(ctx, "conditional-writes", nil); errors.Is(err, fs.ErrExist) {
			return s, nil
		} else if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("blob: the service at %s ignores If-None-Match, so that two owners could overwrite each other: use another service", endpoint)
}

// Put writes a blob of size bytes, or replaces it.
func (s *S3) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if err := check(name); err != nil {
		return err
	}
	_, err := s.core.Client.PutObject(ctx, s.bucket, s.prefix+name, r, size, minio.PutObjectOptions{ContentType: "application/octet-stream"})
	return s.asError(name, err)
}

// Create writes a blob unless there is one.
func (s *S3) Create(ctx context.Context, name string, data []byte) error {
	if err := checkCreate(name, data); err != nil {
		return err
	}
	o := minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: true}
	o.SetMatchETagExcept("*")
	_, err := s.core.Client.PutObject(ctx, s.bucket, s.prefix+name, bytes.NewReader(data), int64(len(data)), o)
	return s.asError(name, err)
}

// Get opens a blob.
func (s *S3) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := check(name); err != nil {
		return nil, err
	}
	r, _, _, err := s.core.GetObject(ctx, s.bucket, s.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, s.asError(name, err)
	}
	return r, nil
}

// List returns the names that begin with a prefix, ascending.
func (s *S3) List(ctx context.Context, prefix string) (names []string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for o := range s.core.Client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + prefix, Recursive: true}) {
		if o.Err != nil {
			return nil, s.asError(prefix, o.Err)
		}
		names = append(names, strings.TrimPrefix(o.Key, s.prefix))
	}
	slices.Sort(names)
	return names, nil
}

// Delete removes a blob, if it is there.
func (s *S3) Delete(ctx context.Context, name string) error {
	if err := check(name); err != nil {
		return err
	}
	return s.asError(name, s.core.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{}))
}

func (s *S3) asError(name string, err error) error {
	if err == nil {
		return nil
	}
	r := minio.ToErrorResponse(err)
	switch {
	case r.Code == "NoSuchKey", r.StatusCode == http.StatusNotFound && r.Code != "NoSuchBucket":
		return fmt.Errorf("blob: %s: %w", name, fs.ErrNotExist)
	// Of two that create at once the one that loses may hear of a conflict.
	case r.StatusCode == http.StatusPreconditionFailed, r.StatusCode == http.StatusConflict && r.Code == "ConditionalRequestConflict":
		return fmt.Errorf("blob: %s: %w", name, fs.ErrExist)
	}
	return fmt.Errorf("blob: %s in bucket %s: %w", name, s.bucket, err)
}
