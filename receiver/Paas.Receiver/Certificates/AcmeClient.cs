using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Paas.Receiver.Certificates;

/// <summary>
/// ACME v2 (RFC 8555) with any authority: 1 directory, 2 account, 3 order, 4 show for each name that it leads here (HTTP-01), 5 send the request, 6 fetch the chain.
/// An account is its key; asking for one that exists finds it again.
/// </summary>
sealed class AcmeClient(HttpClient http, Uri directory, ECDsa accountKey, string? email, Challenges challenges, TimeProvider time)
{
    const int MostPolls = 60;
    const int MostNonces = 5;

    static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    JsonObject? resources;
    string? nonce;
    string? account;

    /// <summary>A certificate for these names: the chain as the authority gave it, and its key.</summary>
    /// <exception cref="AcmeException">The authority refused, in its own words.</exception>
    public async Task<(string Chain, string Key)> OrderAsync(IReadOnlyList<string> names, CancellationToken ct)
    {
        resources = await ReadAsync(await http.GetAsync(directory, ct), ct); // 1
        await RegisterAsync(ct); // 2
        var asked = new JsonObject { ["identifiers"] = new JsonArray([.. names.Select(name => new JsonObject { ["type"] = "dns", ["value"] = name })]) };
        var (order, place) = await PostAsync(Resource("newOrder"), asked, ct); // 3
        var orderUrl = place ?? throw new AcmeException("the order has no address");
        foreach (var authorization in order["authorizations"]!.AsArray())
        {
            await AuthorizeAsync(new Uri(authorization!.GetValue<string>()), ct); // 4
        }

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = Base64Url(RequestOf(names, key));
        await PostAsync(new Uri(order["finalize"]!.GetValue<string>()), new JsonObject { ["csr"] = request }, ct); // 5
        order = await UntilAsync(orderUrl, "valid", ct);
        var chain = await FetchAsync(new Uri(order["certificate"]!.GetValue<string>()), ct); // 6
        return (chain, key.ExportPkcs8PrivateKeyPem() + "\n");
    }

    async Task RegisterAsync(CancellationToken ct)
    {
        if (account is not null)
        {
            return;
        }

        var wanted = new JsonObject { ["termsOfServiceAgreed"] = true };
        if (email is not null)
        {
            wanted["contact"] = new JsonArray($"mailto:{email}");
        }

        account = (await PostAsync(Resource("newAccount"), wanted, ct)).Place?.ToString() ?? throw new AcmeException("the account has no address");
    }

    async Task AuthorizeAsync(Uri url, CancellationToken ct)
    {
        var (authorization, _) = await PostAsync(url, null, ct);
        if (authorization["status"]?.GetValue<string>() == "valid")
        {
            return;
        }

        var challenge = authorization["challenges"]!.AsArray().FirstOrDefault(one => one?["type"]?.GetValue<string>() == "http-01")
            ?? throw new AcmeException("the authority offers no http-01 challenge");
        var token = challenge["token"]!.GetValue<string>();
        using var shown = challenges.Show(token, $"{token}.{Thumbprint()}");
        await PostAsync(new Uri(challenge["url"]!.GetValue<string>()), [], ct);
        await UntilAsync(url, "valid", ct);
    }

    async Task<JsonObject> UntilAsync(Uri url, string wanted, CancellationToken ct)
    {
        for (var i = 0; i < MostPolls; i++)
        {
            var (state, _) = await PostAsync(url, null, ct);
            var status = state["status"]?.GetValue<string>();
            if (status == wanted)
            {
                return state;
            }

            if (status is "invalid" or "expired" or "revoked" or "deactivated")
            {
                throw new AcmeException(Reason(state));
            }

            await Task.Delay(Patience, time, ct);
        }

        throw new AcmeException("the authority did not come to a decision");
    }

    async Task<string> FetchAsync(Uri url, CancellationToken ct)
    {
        using var answer = await SendAsync(url, null, ct);
        return await answer.Content.ReadAsStringAsync(ct);
    }

    async Task<(JsonObject Body, Uri? Place)> PostAsync(Uri url, JsonObject? body, CancellationToken ct)
    {
        using var answer = await SendAsync(url, body, ct);
        return (await ReadAsync(answer, ct), answer.Headers.Location);
    }

    // Null is POST-as-GET. A nonce may be refused for no fault of ours (RFC 8555, 6.5): then once more with the one that came along.
    async Task<HttpResponseMessage> SendAsync(Uri url, JsonObject? body, CancellationToken ct)
    {
        for (var attempt = 0; ; attempt++)
        {
            var header = new JsonObject { ["alg"] = "ES256", ["nonce"] = nonce ?? await NonceAsync(ct), ["url"] = url.ToString() };
            if (account is null)
            {
                header["jwk"] = JsonNode.Parse(Jwk());
            }
            else
            {
                header["kid"] = account;
            }

            var signed = $"{Base64Url(Encoding.UTF8.GetBytes(header.ToJsonString()))}.{(body is null ? "" : Base64Url(Encoding.UTF8.GetBytes(body.ToJsonString())))}";
            var parts = signed.Split('.');
            var envelope = new JsonObject
            {
                ["protected"] = parts[0],
                ["payload"] = parts[1],
                ["signature"] = Base64Url(accountKey.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256)),
            };
            using var content = new StringContent(envelope.ToJsonString());
            content.Headers.ContentType = new MediaTypeHeaderValue("application/jose+json");
            var answer = await http.PostAsync(url, content, ct);
            nonce = answer.Headers.TryGetValues("Replay-Nonce", out var fresh) ? fresh.First() : null;
            if (answer.IsSuccessStatusCode)
            {
                return answer;
            }

            using (answer)
            {
                var problem = await ProblemAsync(answer, ct);
                if (problem?["type"]?.GetValue<string>() != "urn:ietf:params:acme:error:badNonce" || attempt == MostNonces)
                {
                    throw new AcmeException(problem is null ? $"the authority answers {(int)answer.StatusCode}" : Reason(problem));
                }
            }
        }
    }

    async Task<string> NonceAsync(CancellationToken ct)
    {
        using var request = new HttpRequestMessage(HttpMethod.Head, Resource("newNonce"));
        using var answer = await http.SendAsync(request, ct);
        return answer.Headers.TryGetValues("Replay-Nonce", out var fresh) ? fresh.First() : throw new AcmeException("the authority gives no nonce");
    }

    static async Task<JsonObject> ReadAsync(HttpResponseMessage answer, CancellationToken ct)
    {
        if (answer.StatusCode != HttpStatusCode.OK && answer.StatusCode != HttpStatusCode.Created)
        {
            throw new AcmeException($"the authority answers {(int)answer.StatusCode}");
        }

        try
        {
            return JsonNode.Parse(await answer.Content.ReadAsStringAsync(ct)) as JsonObject ?? throw new AcmeException("the authority answers something else than an object");
        }
        catch (JsonException)
        {
            throw new AcmeException("the authority answers something else than JSON");
        }
    }

    static async Task<JsonObject?> ProblemAsync(HttpResponseMessage answer, CancellationToken ct)
    {
        try
        {
            return JsonNode.Parse(await answer.Content.ReadAsStringAsync(ct)) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // The words are wherever the authority put them: in the problem, in the order's error, in a challenge's.
    static string Reason(JsonObject what)
    {
        var problem = what["error"] as JsonObject
            ?? (what["challenges"] as JsonArray)?.Select(one => one?["error"] as JsonObject).FirstOrDefault(error => error is not null)
            ?? what;
        return problem["detail"]?.GetValue<string>() ?? problem["type"]?.GetValue<string>() ?? "the authority refused";
    }

    Uri Resource(string name) => new(resources![name]?.GetValue<string>() ?? throw new AcmeException($"the authority's directory has no {name}"));

    // The members in this order and without a space: the thumbprint is taken over exactly these bytes (RFC 7638).
    string Jwk()
    {
        var point = accountKey.ExportParameters(includePrivateParameters: false).Q;
        return $$"""{"crv":"P-256","kty":"EC","x":"{{Base64Url(point.X!)}}","y":"{{Base64Url(point.Y!)}}"}""";
    }

    string Thumbprint() => Base64Url(SHA256.HashData(Encoding.UTF8.GetBytes(Jwk())));

    static byte[] RequestOf(IReadOnlyList<string> names, ECDsa key)
    {
        var request = new CertificateRequest($"CN={names[0]}", key, HashAlgorithmName.SHA256);
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (var name in names)
        {
            alternatives.AddDnsName(name);
        }

        request.CertificateExtensions.Add(alternatives.Build());
        return request.CreateSigningRequest();
    }

    static string Base64Url(byte[] bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);
}

/// <summary>The authority said no, or nothing that makes sense. The message is for the operator.</summary>
sealed class AcmeException(string message) : Exception(message);
