package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// call sends JSON to a server and reads what it answers.
func call(ctx context.Context, method, url, token string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s: %s", method, url, response.Status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// credentials log somebody in.
type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

func signIn(ctx context.Context, url string, who credentials) (token string, err error) {
	var in struct {
		Token string `json:"access_token"`
	}
	err = call(ctx, http.MethodPost, url+"/api/users/login", "", who, &in)
	return in.Token, err
}

// readers are accounts that are members of one community, which the administrator has founded.
type readers struct {
	community int64
	who       []credentials
	tokens    []string
}

// invite makes so many readers on a server.
func invite(ctx context.Context, url string, n int) (found readers, err error) {
	root, err := signIn(ctx, url, credentials{adminEmail, adminPassword})
	if err != nil {
		return found, err
	}
	var made struct {
		ID int64 `json:"id"`
	}
	if err := call(ctx, http.MethodPost, url+"/api/communities", root, map[string]string{"name": "Owls"}, &made); err != nil {
		return found, err
	}
	found.community = made.ID
	for i := range n {
		name := string(rune('A' + i%26))
		who := credentials{fmt.Sprintf("%s-%d@example.org", strings.ToLower(name), i), passphrase}
		account := map[string]string{"name": "Reader " + name, "email": who.Email, "password": who.Password}
		if err := call(ctx, http.MethodPost, url+"/api/users/register", "", account, nil); err != nil {
			return found, err
		}
		token, err := signIn(ctx, url, who)
		if err != nil {
			return found, err
		}
		if err := call(ctx, http.MethodPost, fmt.Sprintf("%s/api/communities/%d/join", url, made.ID), token, struct{}{}, nil); err != nil {
			return found, err
		}
		found.who, found.tokens = append(found.who, who), append(found.tokens, token)
	}
	return found, nil
}
