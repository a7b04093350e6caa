using System.Globalization;
using System.Net.Http.Headers;
using System.Text;

namespace Paas.Receiver.LogDrains;

/// <summary>Batches of syslog messages in POST requests, in the form Heroku's drains have (<c>application/logplex-1</c>), which log services know.</summary>
sealed class HttpSink(DrainAddress address, long drain) : IDrainSink
{
    readonly HttpClient http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = TimeSpan.FromSeconds(10) }) { Timeout = TimeSpan.FromSeconds(30) };

    public async Task SendAsync(IReadOnlyList<byte[]> frames, CancellationToken ct)
    {
        var place = new UriBuilder(address.Url) { UserName = "", Password = "" }.Uri;
        using var request = new HttpRequestMessage(HttpMethod.Post, place) { Content = new ByteArrayContent([.. frames.SelectMany(frame => frame)]) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/logplex-1");
        request.Headers.UserAgent.ParseAdd("paas-receiver");
        request.Headers.Add("Logplex-Msg-Count", frames.Count.ToString(CultureInfo.InvariantCulture));
        request.Headers.Add("Logplex-Frame-Id", Guid.NewGuid().ToString("N"));
        request.Headers.Add("Logplex-Drain-Token", $"d.{drain}");
        if (address.Url.UserInfo.Length > 0)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.UnescapeDataString(address.Url.UserInfo))));
        }

        using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ct);
        if (!answer.IsSuccessStatusCode)
        {
            throw new HttpRequestException($"it answers {(int)answer.StatusCode}");
        }
    }

    public ValueTask DisposeAsync()
    {
        http.Dispose();
        return ValueTask.CompletedTask;
    }
}
