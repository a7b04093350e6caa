using System.Net.Http.Headers;
using System.Text;

namespace Paas.Receiver.Access;

/// <summary>What an <c>Authorization: Basic</c> header says (RFC 7617).</summary>
static class BasicCredentials
{
    /// <summary>Null when it is none.</summary>
    public static (string User, string Password)? Parse(string? header)
    {
        if (!AuthenticationHeaderValue.TryParse(header, out var value) || !value.Scheme.Equals("Basic", StringComparison.OrdinalIgnoreCase) || value.Parameter is null)
        {
            return null;
        }

        var decoded = new byte[value.Parameter.Length];
        if (!Convert.TryFromBase64String(value.Parameter, decoded, out var length))
        {
            return null;
        }

        var text = Encoding.UTF8.GetString(decoded, 0, length);
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? null : (text[..colon], text[(colon + 1)..]);
    }
}
