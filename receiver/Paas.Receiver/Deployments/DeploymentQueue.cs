namespace Paas.Receiver.Deployments;

/// <summary>One deployment per project at a time; others wait, visibly; a newer push to the same ref takes the place of one still waiting.</summary>
sealed class DeploymentQueue
{
    public Deployment Submit(DeploymentRequest request) => throw new NotSupportedException(request.Kind.ToString());

    public Deployment? Find(string id) => throw new NotSupportedException(id);

    public bool Cancel(string id, string by) => throw new NotSupportedException(id + by);

    public void RefMoved(string id) => throw new NotSupportedException(id);
}
